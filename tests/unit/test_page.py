import re
from html.parser import HTMLParser

import pytest

from ner_service.entities import Entity
from training.cases import Case, TextSpan, make_case
from training.costs import TokenCost
from training.documents import Sentence
from training.evaluation import Evaluation, figures
from training.measure import details
from training.metrics import score_spans
from training.page import context, write_page
from training.reliability import measure_reliability

SUBJECT = {
    "model": "m", "version": "0", "corpus": "c<b>.txt", "tokens": "gold", "casing": "as is",
    "precision": "full", "labels": {"person": "PER"},
}  # fmt: skip


def evaluation_of(words, gold, entities):
    case = make_case([Sentence(words, gold)], "BIO")
    found = tuple(entities)
    spans = [TextSpan(e.start, e.end, e.label) for e in found]
    scores = score_spans([case.gold], [spans])
    reliability = measure_reliability([e.score for e in found], [s in case.gold for s in spans])
    return Evaluation((case,), (found,), scores, reliability, len(words), 0.1)


def page_of(folder, evaluation, costs=()):
    figure = figures(evaluation)
    file = write_page(
        folder / "report",
        evaluation,
        subject=SUBJECT,
        details=details(evaluation),
        conditions={"raw text": figure},
        costs=costs,
    )
    return file.read_text("utf-8")


class Balance(HTMLParser):
    """Checks that elements are closed in order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        del attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def evaluation():
    return evaluation_of(
        ("<script>", "Ines", "&", "Lisbon"),
        ("O", "B-PER", "O", "B-LOC"),
        [Entity("Ines", "ORG", 9, 13, 0.7), Entity("<script>", "LOC", 0, 8, 0.2)],
    )


def test_page_shows_mistakes_with_gold_and_found(tmp_path, evaluation):
    page = page_of(tmp_path, evaluation, [TokenCost(0, 3, "B-LOC", 2.5)])
    rows = re.findall(r"<mark>(.*?)</mark>", page)
    assert rows == ["Lisbon", "Ines", "Lisbon", "&lt;script&gt;"]
    assert "ORG 0.70" in page
    assert "missed: 1" in page
    assert "invented: 1" in page


def test_texts_cannot_break_out_of_the_page(tmp_path, evaluation):
    page = page_of(tmp_path, evaluation)
    assert "<script" not in page
    assert "c&lt;b&gt;.txt" in page
    parser = Balance()
    parser.feed(page)
    assert parser.open == []


def test_page_needs_nothing_from_outside(tmp_path, evaluation):
    page = page_of(tmp_path, evaluation)
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "url(" not in page


def test_page_of_a_corpus_without_entities(tmp_path):
    page = page_of(tmp_path, evaluation_of(("a",), ("O",), []))
    assert "By label" in page


def test_context_is_of_whole_words_and_stays_in_its_line():
    text = "first line\n" + "word " * 30 + "Ines" + " word" * 30 + "\nlast line"
    start = text.index("Ines")
    around = context(Case(text, (), (), ()), start, start + 4)
    assert around.inside == "Ines"
    assert set(around.before.split()) == {"…", "word"}
    assert set(around.behind.split()) == {"…", "word"}
    near = context(Case("up\nInes left\ndown", (), (), ()), 3, 7)
    assert (near.before, near.inside, near.behind) == ("", "Ines", " left")
