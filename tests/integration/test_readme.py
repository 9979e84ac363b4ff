"""The README's commands are run as they stand, against the model that is shipped."""

import json
import re

import pytest

from tests.docs import ROOT, blocks, shell
from tests.server import REAL, running

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = blocks(README)
SHELL = [code for language, code in BLOCKS if not language]
BOB = {"text": "Bob", "label": "PER", "start": 0, "end": 3}


def block(start: str) -> str:
    (found,) = [code for code in SHELL if code.startswith(start)]
    return found


@pytest.fixture(scope="module")
def server():
    with running(*REAL) as running_server:
        yield running_server


def test_the_first_curl_finds_bob(server, tmp_path):
    (command,) = [code for code in SHELL if "Yoda" in code and code.startswith("curl")]
    answer = json.loads(
        shell(command.replace("localhost:8000", f"localhost:{server.port}"), tmp_path)
    )
    (document,) = answer["documents"]
    first = document["entities"][0]
    assert {name: first[name] for name in BOB} == BOB
    shown = re.search(r"```json\n(.*?)```", README, flags=re.DOTALL)[1].replace("...", "0.5")
    shown = json.loads(shown)
    assert shown.keys() == answer.keys()
    assert shown["model"].keys() == answer["model"].keys()
    assert shown["documents"][0].keys() == document.keys()
    told = shown["documents"][0]["entities"]
    assert len(told) == len(document["entities"])
    for entity, given in zip(told, document["entities"], strict=True):
        assert entity.keys() == given.keys()
        assert {**entity, "score": given["score"]} == given
    (threshold,) = re.findall(r'`"threshold": ([0-9.]+)` leaves it out', README)
    stricter = {"text": "Bob bought a toy Yoda", "threshold": float(threshold)}
    answer = server.http.post(f"{server.url}/v1/entities", json=stricter).json()
    assert answer["documents"][0]["entities"] == document["entities"][:1]


def test_the_second_curl_answers_every_option(server, tmp_path):
    (command,) = [code for code in SHELL if '"offset_unit"' in code]
    answer = json.loads(
        shell(command.replace("localhost:8000", f"localhost:{server.port}"), tmp_path)
    )
    assert [document["id"] for document in answer["documents"]] == ["a", "b"]
    assert {e["label"] for d in answer["documents"] for e in d["entities"]} == {"PER"}
    assert "one_hot" in answer["documents"][0]["tokens"][0]


def test_the_third_curl_takes_a_name_out(server, tmp_path):
    (command,) = [code for code in SHELL if "/v1/redact" in code]
    answer = json.loads(
        shell(command.replace("localhost:8000", f"localhost:{server.port}"), tmp_path)
    )
    assert answer["text"] in command
    assert answer["mapping"] == {"[PER_1]": "John"}


def test_python(tmp_path):
    (code,) = [code for language, code in BLOCKS if language == "python"]
    assert shell(f"python - <<'END'\n{code}END", tmp_path).startswith("Bob PER 0 3 ")


def test_command_line(tmp_path):
    lines = [line for line in block("echo").splitlines() if " serve " not in line]
    output = shell("\n".join(lines), tmp_path)
    first = json.loads(output.splitlines()[0])
    assert {name: first["entities"][0][name] for name in BOB} == BOB
    assert "conll2003" in output.splitlines()[-1]


@pytest.mark.parametrize("line", [x for code in SHELL for x in code.splitlines() if "make " in x])
def test_make_knows_its_targets(line):
    command = line.split("#")[0].replace("FOLDER", "/tmp")
    assert shell(command.replace("make ", "make --dry-run "), ROOT)


def test_the_container_commands_match_the_dockerfile():
    assert "docker build -t ner-service ." in block("docker")
    assert "EXPOSE 8000" in (ROOT / "Dockerfile").read_text("utf-8")


def test_it_fits_two_screens():
    assert len(README.splitlines()) <= 120
