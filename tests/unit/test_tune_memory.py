from pathlib import Path

from ner_service.memory import Taught
from ner_service.memory.votes import Kernel, Voting
from ner_service.tagger import Tagger
from training.corpus import load_split
from training.tune_memory import candidates, cases_of, example_of, sentences_of, tune


def test_weights_that_harm_are_not_taken(tiny_model: Path, tmp_path: Path) -> None:
    """Nonsense that is taught to outweigh the model harms the set it is right about."""
    tagger = Tagger.load(tiny_model, backend="onnx", threads=1)
    words = ["Bob", "toy", "Lisbon", "bank"]
    own = tmp_path / "own.conll"
    lines = []
    for word in words:
        document = tagger.tag_tokens([[word, "."]])[0]
        tags = [tagger.info.tags[i] for i in document.tag_ids]
        lines.append(f"{word} {tags[0]}\n. {tags[1]}\n")
    own.write_text("\n".join(lines), encoding="utf-8")
    taught = tmp_path / "taught.conll"
    taught.write_text("\n".join(f"{w} B-x\n. O\n" for w in words for _ in "ab"), encoding="utf-8")
    weak = Voting(forms=(Kernel(0, 1), Kernel(0, 1), Kernel(0, 1)), states=Kernel(0, 1))
    strong = Voting(forms=(Kernel(1e4, 10), Kernel(1e4, 10), Kernel(1e4, 10)))
    best = tune(
        tagger,
        load_split(taught),
        load_split(own),
        labels={"x": "THING"},
        harm=0.0,
        votings=[weak, strong],
    )
    assert best == weak


def test_every_combination_is_tried() -> None:
    votings = list(candidates())
    assert len(votings) == len({str(voting) for voting in votings}) > 20


def test_example_has_the_words_and_the_mapped_labels_of_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "two.conll"
    path.write_text("Ann B-person\nsings O\nHelp B-song\n\nBob B-person\nLee I-person\n", "utf-8")
    corpus = load_split(path)
    first, second = (example_of(case) for case in sentences_of(corpus, {"person": "PER"}))
    assert first.words == ("Ann", "sings", "Help")
    assert first.entities == (Taught(0, 3, "PER"),)
    assert second.text == "Bob Lee"
    assert second.entities == (Taught(0, 7, "PER"),)
    assert [gold.label for case in cases_of(corpus) for gold in case.gold] == [
        "person",
        "song",
        "person",
    ]
