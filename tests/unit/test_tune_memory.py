from pathlib import Path

from ner_service.memory.votes import Kernel, Voting
from ner_service.tagger import Tagger
from training.corpus import load_split
from training.tune_memory import candidates, tune


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
