"""What is installed where: the serving set, the pinned versions, the Makefile, the image."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")

SERVING_SET = {
    "fastapi",
    "httptools",
    "numpy",
    "onnxruntime",
    "prometheus-client",
    "pydantic",
    "pydantic-settings",
    "rich",
    "safetensors",
    "structlog",
    "typer",
    "uvicorn",
}

ARTIFACT_FILES = (
    "config.json",
    "manifest.json",
    "sentence_encoder.onnx",
    "vocabulary.json",
    "weights.safetensors",
    "word_encoder.onnx",
)


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def pins() -> dict[str, Requirement]:
    lines = [line for line in CONSTRAINTS.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def stage(index: int) -> str:
    """One stage of the Dockerfile, with continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.split(r"^FROM .*$", joined, flags=re.MULTILINE)[1:][index]


def instruction(name: str) -> str:
    """The argument of the last stage's only instruction of that name."""
    found = re.findall(rf"^{name} +(.*)$", stage(-1), flags=re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def test_plain_install_is_the_serving_set():
    assert names(PROJECT["dependencies"]) == SERVING_SET


def test_extras_are_those_of_the_design():
    assert EXTRAS.keys() == {
        "train",
        "torch",
        "batch",
        "ray",
        "rules",
        "redaction",
        "telemetry",
        "memory",
        "dev",
    }
    assert names(EXTRAS["torch"]) == {"torch"}


@pytest.mark.parametrize("extra", ["dependencies", *EXTRAS])
def test_every_requirement_is_pinned_within_its_range(extra: str):
    requirements = PROJECT["dependencies"] if extra == "dependencies" else EXTRAS[extra]
    pinned = pins()
    for requirement in map(Requirement, requirements):
        (version,) = pinned[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(version.version)


def test_pins_hold_on_every_machine():
    for pin in pins().values():
        (version,) = pin.specifier
        assert version.operator == "=="
        assert "+" not in version.version  # no local build
        assert pin.url is None


def test_torch_is_pinned():
    assert str(pins()["torch"].specifier) == "==2.13.0"


def test_command_line_is_installed():
    assert PROJECT["scripts"] == {"ner-service": "ner_service.cli:main"}


@pytest.mark.parametrize("target", ["serve", "test", "check", "format", "train", "evaluate"])
def test_make_help_lists_the_target(target: str):
    result = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.search(rf"^make {target} ", result.stdout, flags=re.MULTILINE)


def plan(*arguments: str) -> str:
    """What make would do in an environment that does not exist yet."""
    command = ["make", "--dry-run", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_serve_installs_the_serving_set_alone(tmp_path: Path):
    planned = plan("serve", f"VENV={tmp_path}/new", "PORT=8123")
    assert "--constraint constraints.txt" in planned
    assert "[train" not in planned
    assert "--port 8123" in planned


def test_make_installs_nothing_twice(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    for name in ("bin/pip", ".serving", ".training", ".development"):
        (tmp_path / name).touch()
    for target in ("serve", "train", "test"):
        assert "pip install" not in plan(target, f"VENV={tmp_path}")


def test_torch_index_reaches_pip(tmp_path: Path):
    planned = plan("test", f"VENV={tmp_path}/new", "TORCH_INDEX=http://localhost/cpu")
    assert "--extra-index-url http://localhost/cpu" in planned
    assert "--extra-index-url" not in plan("test", f"VENV={tmp_path}/new")


def test_make_refuses_an_old_python(tmp_path: Path):
    old = tmp_path / "python3.10"
    pretend = "import sys; sys.version_info = (3, 10, 0); exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$2"\n')
    old.chmod(0o755)
    result = subprocess.run(
        ["make", "serve", f"VENV={tmp_path}/new", f"PYTHON={old}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr


def test_wheel_carries_the_package_and_the_model(tmp_path: Path):
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    assert "ner_service/py.typed" in files
    assert {f"ner_service/_models/conll2003/{name}" for name in ARTIFACT_FILES} <= files
    assert {file.split("/")[0] for file in files} == {
        "ner_service",
        f"ner_service-{PROJECT['version']}.dist-info",
    }


def test_build_tool_is_the_one_that_tests_use():
    build_system = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]
    assert build_system["requires"] == [str(pins()["hatchling"])]


def test_pre_commit_runs_what_make_check_runs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook["entry"] for repository in config["repos"] for hook in repository["hooks"]]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    assert hooks == [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]


def test_image_takes_its_base_from_an_argument():
    assert DOCKERFILE.startswith("ARG BASE_IMAGE=python:3.11-slim\n")
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE) == ["${BASE_IMAGE}"] * 2


def test_image_is_pinned_and_serves_only():
    assert "--constraint constraints.txt" in stage(0)
    assert "install" not in stage(-1)


def test_image_runs_as_an_unprivileged_user():
    assert instruction("USER") == "10001:10001"


def test_image_starts_the_service_without_a_shell():
    assert json.loads(instruction("ENTRYPOINT")) == ["ner-service"]
    assert json.loads(instruction("CMD"))[0] == "serve"


def test_image_checks_its_health_with_python_alone():
    check = instruction("HEALTHCHECK")
    command = json.loads(check[check.index("CMD") + len("CMD") :])
    assert command[0] == "python"
    assert "/readyz" in command[-1]
    compile(command[-1], "HEALTHCHECK", "exec")


def test_image_is_labelled_with_the_version():
    assert f'org.opencontainers.image.version="{PROJECT["version"]}"' in stage(-1)
