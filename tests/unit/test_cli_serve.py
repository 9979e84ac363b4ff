"""`ner-service serve`: options become settings, and mistakes one line."""

import pytest

from ner_service import cli
from ner_service.errors import ConfigError


@pytest.fixture
def served(monkeypatch) -> list:
    found: list = []
    monkeypatch.setattr("ner_service.api.server.serve", found.append)
    return found


def test_options_become_settings(served: list):
    arguments = "serve --host ::1 --port 9000 --model a --model b --backend onnx --threads 3"
    assert cli.run(arguments.split()) == 0
    (settings,) = served
    assert (settings.host, settings.port, settings.model) == ("::1", 9000, ("a", "b"))
    assert (settings.backend, settings.threads) == ("onnx", 3)


def test_options_go_before_the_environment(served: list, monkeypatch):
    monkeypatch.setenv("NER_PORT", "9001")
    monkeypatch.setenv("NER_GRACE_SECONDS", "7")
    assert cli.run(["serve", "--port", "9002"]) == 0
    assert (served[0].port, served[0].grace_seconds) == (9002, 7)


@pytest.mark.parametrize(
    "arguments",
    [["serve", "--port", "x"], ["serve", "--port", "70000"], ["serve", "--nope"], ["nope"], []],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_2(arguments: list[str], served: list, capsys):
    assert cli.run(arguments) == 2
    assert served == []
    assert capsys.readouterr().err.count("\n") == 1


def test_a_senseless_variable_is_wrong_usage(served: list, monkeypatch, capsys):
    monkeypatch.setenv("NER_MAX_DOCUMENTS", "none")
    assert cli.run(["serve"]) == 2
    assert served == []
    assert "max_documents" in capsys.readouterr().err


def test_a_failure_is_one_line_and_1(monkeypatch, capsys):
    def fail(_: object) -> None:
        raise ConfigError("cannot listen\non port 80")

    monkeypatch.setattr("ner_service.api.server.serve", fail)
    assert cli.run(["serve"]) == 1
    assert capsys.readouterr().err == "ner-service: cannot listen on port 80\n"


def test_models_are_listed(capsys):
    assert cli.run(["models"]) == 0
    assert "conll2003" in capsys.readouterr().out
