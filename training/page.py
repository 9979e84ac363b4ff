"""The HTML report of one evaluation: one file that needs nothing from outside."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ner_service.entities import Entity
from training import plots
from training.cases import Case
from training.costs import TokenCost, word_costs
from training.evaluation import Evaluation, figures
from training.measure import reliability_rows
from training.metrics import NOTHING
from training.mistakes import KINDS, find_mistakes

PAGE = "index.html"
_TEMPLATE = "page.html.jinja"
_AROUND = 70
"""Characters of context on either side."""
_MOST_MISTAKES = 2000
_MOST_WORDS = 40
_MOST_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Context:
    """A stretch of text with what is around it in its sentence or line."""

    before: str
    inside: str
    behind: str


def write_page(
    folder: Path,
    evaluation: Evaluation,
    *,
    subject: Mapping[str, Any],
    details: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
    costs: Sequence[TokenCost],
) -> Path:
    """Write the report of an evaluation into a folder.

    Args:
        folder: made if it is not there.
        evaluation: what the report is about.
        subject: what was evaluated, for the head.
        details: from `training.measure.details`.
        conditions: figures under other conditions, by name.
        costs: of the tokens; empty where they are not known.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.2f}"
    diagram = plots.png(
        plots.reliability_diagram({"scores": reliability_rows(evaluation.reliability)})
    )
    mistakes = _mistakes(evaluation)
    html = environment.get_template(_TEMPLATE).render(
        subject=subject,
        figures=figures(evaluation),
        details=details,
        conditions=conditions,
        nothing=NOTHING,
        diagram=base64.b64encode(diagram).decode("ascii"),
        mistakes={kind: [m for m in mistakes if m["kind"] == kind] for kind in KINDS},
        left_out=sum(details["mistakes"].values()) - len(mistakes),
        words=word_costs(evaluation.cases, costs)[:_MOST_WORDS],
        tokens=_tokens(evaluation, costs),
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(html, encoding="utf-8")
    return folder / PAGE


def context(case: Case, start: int, end: int) -> Context:
    """What stands around a stretch of a case, in whole words and in the same line of raw text."""
    first, last = max(0, start - _AROUND), end + _AROUND
    before = case.text[first:start].rpartition("\n")[2]
    behind = case.text[end:last].partition("\n")[0]
    if first and len(before) == _AROUND:
        before = "… " + before.partition(" ")[2]
    if last < len(case.text) and len(behind) == _AROUND:
        behind = behind.rpartition(" ")[0] + " …"
    return Context(before, case.text[start:end], behind)


def _mistakes(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for mistake in find_mistakes(evaluation.cases, evaluation.predicted_spans):
        if len(rows) == _MOST_MISTAKES:
            break
        case = evaluation.cases[mistake.case]
        scores = {(e.start, e.end): e.score for e in evaluation.predicted[mistake.case]}
        rows.append(
            {
                "kind": mistake.kind,
                "context": context(case, mistake.start, mistake.end),
                "gold": [(case.text[s.start : s.end], s.label) for s in mistake.gold],
                "found": [
                    (case.text[s.start : s.end], s.label, scores[s.start, s.end])
                    for s in mistake.predicted
                ],
            }
        )
    return rows


def _tokens(evaluation: Evaluation, costs: Sequence[TokenCost]) -> list[dict[str, Any]]:
    rows = []
    for cost in sorted(costs, key=lambda cost: -cost.loss)[:_MOST_TOKENS]:
        case = evaluation.cases[cost.case]
        start, end = case.words[cost.word]
        found = _entity_at(evaluation.predicted[cost.case], start)
        rows.append(
            {
                "loss": cost.loss,
                "gold": cost.gold,
                "found": "O" if found is None else found.label,
                "context": context(case, start, end),
            }
        )
    return rows


def _entity_at(entities: Sequence[Entity], offset: int) -> Entity | None:
    return next((e for e in entities if e.start <= offset < e.end), None)
