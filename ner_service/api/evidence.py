"""What the model held possible, as JSON: candidates, explanations, the best labellings."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ner_service.entities import Entity
from ner_service.inference.analysis import Analysis
from ner_service.tagger import Document
from ner_service.text.offsets import OffsetUnit, convert_offsets


def entities_json(
    document: Document,
    shown: Sequence[Entity],
    candidates: Sequence[Entity] | None,
    explain: Sequence[str] | None,
    unit: OffsetUnit,
) -> str:
    """Write entities with what belongs to them.

    Args:
        document: the document.
        shown: its entities that are answered.
        candidates: spans that were not chosen; None if they were not asked for.
        explain: the model's tags, if explanations were asked for.
        unit: what offsets count.
    """
    listed = [(entity, True) for entity in shown]
    listed += [(entity, False) for entity in candidates or ()]
    listed.sort(key=lambda pair: (pair[0].start, pair[0].end, not pair[1]))
    written = _placed(document.text, [entity for entity, _ in listed], unit)
    for place, (entity, is_chosen) in zip(written, listed, strict=True):
        if candidates is not None:
            place["chosen"] = is_chosen
        if explain is not None and is_chosen:
            place["explanation"] = _explanation(document, entity, explain, unit)
    return ",".join(map(_dump, written))


def labellings_json(document: Document, unit: OffsetUnit) -> str:
    """Write the best labellings of a document."""
    return ",".join(
        _dump(
            {
                "probability": float(f"{labelling.probability:.6g}"),
                "log_probability": round(labelling.log_probability, 6),
                "entities": _placed(document.text, labelling.entities, unit),
            }
        )
        for labelling in analysis_of(document).nbest
    )


def analysis_of(document: Document) -> Analysis:
    """The analysis of a document; an empty one where the model gave none."""
    return document.analysis or Analysis()


def _explanation(
    document: Document, entity: Entity, tags: Sequence[str], unit: OffsetUnit
) -> dict[str, Any]:
    explanation = analysis_of(document).explain(entity, document.tokens, tags)
    tokens = document.tokens
    own = tokens.within(entity.start, entity.end)
    places = convert_offsets(
        document.text, [p for i in own for p in (tokens.starts[i], tokens.ends[i])], unit
    )
    told: list[dict[str, Any]] = [
        {"text": text, "start": start, "end": end, "marginals": marginals}
        for text, start, end, marginals in zip(
            (tokens.texts[i] for i in own),
            places[::2],
            places[1::2],
            explanation.tokens,
            strict=False,
        )
    ]
    for token, near in zip(told, explanation.neighbours, strict=False):
        token["neighbours"] = list(map(asdict, near))
    return {
        "tokens": told,
        "runners_up": explanation.runners_up,
    }


def _placed(text: str, entities: Sequence[Entity], unit: OffsetUnit) -> list[dict[str, Any]]:
    places = convert_offsets(text, [p for e in entities for p in (e.start, e.end)], unit)
    written = []
    for entity, start, end in zip(entities, places[::2], places[1::2], strict=True):
        place = {
            "text": entity.text,
            "label": entity.label,
            "start": start,
            "end": end,
            "score": entity.score,
            "source": entity.source,
        }
        if entity.rule is not None:
            place["rule"] = entity.rule
        written.append(place)
    return written


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
