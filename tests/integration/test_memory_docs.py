"""docs/memory.md: its examples are run, on the shipped model."""

import json
import re
from pathlib import Path

import pytest

from ner_service.memory import Taught, make_example
from ner_service.memory.vectors import EXACT_UP_TO, PROJECTED_WIDTH
from ner_service.memory.votes import Voting
from ner_service.tagger import Tagger
from tests.fakes import call, make_app, post

PAGE = (Path(__file__).parents[2] / "docs/memory.md").read_text(encoding="utf-8")
SENTENCES = (
    "we met vextor at noon.",
    "the report says vextor is late.",
    "I think that vextor, our friend, knows.",
)


@pytest.fixture
def tagger() -> Tagger:
    return Tagger.load("conll2003", backend="onnx", threads=1)


def people(tagger: Tagger) -> list[list[str]]:
    return [
        [entity.text for entity in tagger.tag(text).entities if entity.label == "PER"]
        for text in SENTENCES
    ]


def test_name_that_was_taught_once_is_found_in_other_sentences(
    tagger: Tagger, tmp_path: Path
) -> None:
    assert people(tagger) == [[], [], []]
    (body,) = re.findall(r"curl localhost:8000/v1/examples .* -d '(.*?)'\n", PAGE, flags=re.DOTALL)
    app = make_app(tagger, memory=tmp_path)
    headers = {"content-type": "application/json"}
    answer = call(app, "POST", "/v1/examples", content=body.encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    for text in SENTENCES:
        (document,) = post(app, {"text": text}).json()["documents"]
        assert [(e["text"], e["label"], e["source"]) for e in document["entities"]] == [
            ("vextor", "PER", "memory")
        ]
    app.state.service.close()


def test_new_label_is_found_after_a_handful(tagger: Tagger) -> None:
    def lesson(text: str, name: str):
        start = text.index(name)
        return make_example(text, [Taught(start, start + len(name), "DRUG")])

    taught = {
        "He takes aspirin every morning.": "aspirin",
        "The doctor gave her ibuprofen for the pain.": "ibuprofen",
        "Too much aspirin is dangerous.": "aspirin",
        "They were given ibuprofen and sent home.": "ibuprofen",
        "A pill of tavorexin helps.": "tavorexin",
    }
    tagger.teach([lesson(text, name) for text, name in taught.items()])
    for text, names in (
        ("We bought aspirin in Paris.", ["aspirin"]),
        ("Doctors prescribe tavorexin or ibuprofen.", ["tavorexin", "ibuprofen"]),
        ("She found no water in the house.", []),
    ):
        found = [e.text for e in tagger.tag(text).entities if e.label == "DRUG"]
        assert found == names


def test_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(code, "docs/memory.md", "exec"), {})


def short(number: float) -> str:
    return f"{number:g}".removeprefix("0")


def test_weights_that_are_told_are_those_in_use() -> None:
    voting = Voting()
    told = " ".join(PAGE.split())
    trained, known, new = voting.forms
    for text in (
        f"at most {voting.neighbours} each",
        f"is worth {short(new.weight)},",
        f"weighs {short(known.weight)}, and falls by a factor e for each {short(known.width)} of",
        f"weighs {short(trained.weight)}, but only in nearly the same context "
        f"({short(trained.width)})",
        f"marginal below {short(voting.uncertain)},",
        f"with weight {short(voting.states.weight)} ({short(voting.states.width)})",
        f"surer than {short(voting.sure)} and",
        f"no more than {short(voting.audible)} together",
        f"less than {short(voting.least)} is not counted",
        f"Up to {EXACT_UP_TO:,} states",
        f"to {PROJECTED_WIDTH} dimensions",
    ):
        assert text in told, text


def test_requests_of_the_page_are_json() -> None:
    for body in re.findall(r"-d '(\{.*?\})'", PAGE, flags=re.DOTALL):
        assert json.loads(body)["examples"]
