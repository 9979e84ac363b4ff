import json
from pathlib import Path

import pytest

from ner_service.errors import ConfigError
from ner_service.rules import load_rules
from ner_service.text import tokenize

TEXT = "Yoda of Acme has order ORD-42 from San Francisco"
TOML = """
prefer = "model"

[[gazetteers]]
label = "TOY"
file = "names/toys.txt"
names = ["Acme"]

[[regexes]]
label = "ORDER"
regex = 'ORD-\\d+'

[[patterns]]
label = "GPE"
id = "sf"
pattern = [{LOWER = "san"}, {LOWER = "francisco"}]

[[deny]]
texts = ["Acme"]
"""


def found(path: Path) -> list[tuple[str, str]]:
    return [(e.text, e.label) for e in load_rules(path).apply(TEXT, tokenize(TEXT), [])]


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, "utf-8")
    return path


def test_toml_holds_rules_and_names_files_beside_it(tmp_path):
    write(tmp_path, "names/toys.txt", "\ufeffYoda\n\nGrogu\r\n")
    rules = load_rules(write(tmp_path, "rules.toml", TOML))
    assert rules.labels == ("TOY", "GPE", "ORDER")
    assert rules.prefer == "model"
    expected = [("Yoda", "TOY"), ("ORD-42", "ORDER"), ("San Francisco", "GPE")]
    assert found(tmp_path / "rules.toml") == expected


def test_json_holds_the_same(tmp_path):
    content = {"regexes": [{"label": "ORDER", "regex": "ORD-\\d+"}]}
    assert found(write(tmp_path, "rules.json", json.dumps(content))) == [("ORD-42", "ORDER")]


PATTERNS = [
    {"label": "ORG", "pattern": "Acme"},
    {"label": "GPE", "pattern": [{"LOWER": "san"}, {"LOWER": "francisco"}], "id": "san-francisco"},
]


@pytest.mark.parametrize("name", ["patterns.jsonl", "patterns.json"])
def test_files_of_the_entity_ruler_are_read_as_they_are(tmp_path, name):
    lines = "".join(f"{json.dumps(pattern)}\n" for pattern in PATTERNS)
    content = lines if name.endswith("l") else json.dumps(PATTERNS)
    assert found(write(tmp_path, name, content)) == [("Acme", "ORG"), ("San Francisco", "GPE")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rules.toml", "prefer =", "rules.toml: "),
        ("rules.json", "{", "rules.json: "),
        ("rules.json", "[" * 100_000, "rules.json: "),
        ("rules.json", "3", "rules.json: rules: "),
        ("patterns.jsonl", '{"label"', "patterns.jsonl: "),
        ("rules.toml", "prefer = 'mine'", "rules.toml: prefer: "),
        ("rules.toml", "[[regexes]]\nlabel='X'\nregex='('", "rules.toml: regexes.0.regex: RE2"),
        ("rules.toml", "[[gazetteers]]\nlabel='X'\nfile='no.txt'", "no.txt: No such file"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    with pytest.raises(ConfigError, match=message):
        load_rules(write(tmp_path, name, content))


def test_a_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_bytes(b"# \xe9")
    with pytest.raises(ConfigError, match=r"rules\.toml: not UTF-8 at byte 2"):
        load_rules(path)
    with pytest.raises(ConfigError, match="No such file"):
        load_rules(tmp_path / "missing.toml")
