"""HTML output: one page that needs nothing else, entities marked in the running text."""

from collections.abc import Sequence
from html import escape

from ner_service.batch.options import Options
from ner_service.batch.tagged import TaggedDocument
from ner_service.tagger import ModelInfo

# Light enough for black text, and told apart with any common colour vision: Wong 2011, lightened.
_COLOURS = ("#f6c8a0", "#a6d8f0", "#a8dcc4", "#f5e98a", "#b3c7e6", "#f0bfa6", "#e6bcd6", "#d0d0d0")

# Documents out of sight are not laid out: a page of many thousands opens at once.
_STYLE = """
body { font: 16px/1.7 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
article { border-top: 1px solid #ccc; padding: 1rem 0; content-visibility: auto;
  contain-intrinsic-size: auto 20rem; }
h2 { font-size: 1rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
dl { font-size: .85rem; margin: 0 0 .5rem; } dt, dd { display: inline; margin: 0 .4em 0 0; }
p { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
mark { border-radius: .3em; padding: .1em .3em; background: #ddd; }
mark::after { content: attr(data-label); font: bold .7em sans-serif; margin-left: .4em; }
"""


def page_head(model: ModelInfo) -> bytes:
    """All that stands before the first document."""
    title = escape(f"Entities by {model.name} {model.version}")
    colours = "".join(
        f"mark.l{place} {{ background: {_COLOURS[place % len(_COLOURS)]}; }}\n"
        for place in range(len(model.labels))
    )
    legend = " ".join(
        f'<mark class="l{place}">{escape(label)}</mark>' for place, label in enumerate(model.labels)
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}{colours}</style></head>\n"
        f"<body><h1>{title}</h1><p>{legend}</p>\n"
    ).encode()


def page_tail() -> bytes:
    """What closes the page."""
    return b"</body></html>\n"


def write_page(documents: Sequence[TaggedDocument], model: ModelInfo, options: Options) -> bytes:
    """An article a document; a mark holds its label, offsets and score."""
    del options
    classes = {label: f"l{place}" for place, label in enumerate(model.labels)}
    return "".join(_article(document, classes) for document in documents).encode("utf-8")


def _article(document: TaggedDocument, classes: dict[str, str]) -> str:
    text = document.answer.text
    pieces = []
    position = 0
    for entity, start, end in zip(document.entities, document.starts, document.ends, strict=True):
        label = escape(entity.label)
        pieces.append(escape(text[position : entity.start], quote=False))
        pieces.append(
            f'<mark class="{classes.get(entity.label, "other")}" data-label="{label}" '
            f'data-start="{start}" data-end="{end}" data-score="{entity.score}" '
            f'title="{entity.score}">{escape(entity.text, quote=False)}</mark>'
        )
        position = entity.end
    pieces.append(escape(text[position:], quote=False))
    kept = "".join(
        f"<dt>{escape(name)}:</dt><dd>{escape(str(value))}</dd>"
        for name, value in document.source.kept.items()
    )
    identity = escape(str(document.source.id))
    details = f"<dl>{kept}</dl>" if kept else ""
    return (
        f'<article data-id="{identity}"><h2>{identity}</h2>{details}'
        f"<p>{''.join(pieces)}</p></article>\n"
    )
