"""A stand-in for the Tagger, by a rule that a test can foresee: capitalised words are persons.

It has the Tagger's interface, works sentence by sentence like it, and can be told to fail or wait.
"""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI

from ner_service.api.app import create_app
from ner_service.api.settings import Settings
from ner_service.entities import entities_from_spans
from ner_service.inference.steps import Steps, finish
from ner_service.tagger import Document, ModelInfo, PreparedDocument
from ner_service.tags import spans_from_tags, tag_inventory
from ner_service.text import Tokens, lay_out, sentence_starts, tokenize

LABELS = ("LOC", "MISC", "ORG", "PER")
PLACES = frozenset({"Paris", "London"})


class FakeTagger:
    """Tags capitalised words as PER, and Paris and London as LOC."""

    def __init__(self, *, name: str = "fake", version: str = "0123456789ab") -> None:
        self.info = ModelInfo(name, version, "IOBES", LABELS, tuple(tag_inventory(LABELS, "IOBES")))
        self.batches: list[list[str]] = []
        # Cleared by a test that wants batches to wait.
        self.gate = threading.Event()
        self.gate.set()
        # A text that contains this makes its whole batch fail.
        self.poison: str | None = None

    def prepare(self, text: str) -> PreparedDocument:
        tokens = tokenize(text)
        return PreparedDocument(text, tokens, lay_out(sentence_starts(text, tokens), len(tokens)))

    def prepare_tokens(self, words: Sequence[str]) -> PreparedDocument:
        text, tokens = Tokens.from_words(words)
        return PreparedDocument(text, tokens, lay_out([0] if words else [], len(tokens)))

    def tag(self, text: str) -> Document:
        return self._tag(self.prepare(text))

    def tag_documents(self, documents: Sequence[PreparedDocument]) -> list[Document]:
        return finish(self.tagging_steps(documents))

    def tagging_steps(self, documents: Sequence[PreparedDocument]) -> Steps[list[Document]]:
        self.batches.append([document.text for document in documents])
        yield self.network
        for document in documents:
            if self.poison is not None and self.poison in document.text:
                raise RuntimeError("poisoned batch")
        return [self._tag(document) for document in documents]

    def network(self) -> None:
        self.gate.wait(timeout=30)

    def word_ids(self, words: Sequence[str]) -> list[int]:
        return [len(word) for word in words]

    def _tag(self, document: PreparedDocument) -> Document:
        tags = _tags(document.tokens.texts)
        spans = spans_from_tags(tags, "IOBES")
        entities = entities_from_spans(
            document.text, document.tokens, spans, [_score(tags[s.start_token]) for s in spans]
        )
        ids = {tag: index for index, tag in enumerate(self.info.tags)}
        tag_ids = np.array([ids[tag] for tag in tags], dtype=np.int64)
        return Document(document.text, entities, document.tokens, tag_ids)


def _tags(words: Sequence[str]) -> list[str]:
    return [
        ("S-LOC" if word in PLACES else "S-PER") if word[:1].isupper() else "O" for word in words
    ]


def _score(tag: str) -> float:
    return 0.9 if tag.endswith("PER") else 0.6


def make_app(tagger: FakeTagger | None = None, **settings: object) -> FastAPI:
    """An application around the fake tagger; settings by name."""
    given = {"log_level": "error", **settings}
    return create_app(Settings.model_validate(given), tagger or FakeTagger())


def call(
    app: FastAPI,
    method: str,
    path: str,
    *,
    content: bytes | None = None,
    json: object = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """One request to an application, without a socket."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, content=content, json=json, headers=headers)

    return asyncio.run(run())


def post(app: FastAPI, body: object, **options: Any) -> httpx.Response:
    """One request to /v1/entities; bytes go as they are."""
    if isinstance(body, bytes):
        return call(app, "POST", "/v1/entities", content=body, **options)
    return call(app, "POST", "/v1/entities", json=body, **options)
