"""The laws of imports: one direction, no torch in the serving set, no pickle anywhere."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ner_service

ROOT = Path(__file__).parents[2]

# Lowest first: a unit (module or package directly below ner_service) imports only from its own
# layer or from lower ones.
LAYERS = (
    ("errors", "starting"),
    ("text", "tags", "artifact"),
    ("network", "entities"),
    ("inference",),
    ("rules", "memory"),
    ("tagger",),
    ("redaction", "teaching"),
    ("api", "batch"),
    ("cli",),
)
RANKS = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}
# The public names stand above everything; __main__ is one more door to the command line.
TOP = {"__init__": len(LAYERS), "__main__": len(LAYERS)}

TORCH_ALLOWED = ("ner_service/network/", "ner_service/inference/torch_backend.py")
TRAINING_ONLY = ("torch", "lightning", "datasets", "seqeval", "onnx", "tensorboard", "matplotlib")
PICKLING = ("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
PICKLING_CALLS = ("torch.load", "torch.save", "pandas.read_pickle", "pd.read_pickle")


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, as a dotted name, and where it stands."""

    module: str
    place: str


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def unit_of(module: str) -> str:
    """The part of a dotted name that has a place in LAYERS: ner_service.text.windows -> text."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def imports_in(source: str, *, path: Path) -> Iterator[Import]:
    """Every import of a file, also those inside functions and under TYPE_CHECKING."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(source)):
        place = f"{relative(path)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, place) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += node.module.split(".") if node.module else []
            if base == ["ner_service"]:  # the names may be modules: each counts as itself
                yield from (Import(f"ner_service.{alias.name}", place) for alias in node.names)
            else:
                yield Import(".".join(base), place)


def all_imports(*folders: str) -> Iterator[tuple[Path, Import]]:
    for path in sources(*folders):
        for found in imports_in(path.read_text(encoding="utf-8"), path=path):
            yield path, found


def is_under(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_every_unit_has_a_place_in_the_order():
    units = {unit_of(module_of(path)) for path in sources("ner_service")}
    assert units <= RANKS.keys() | TOP.keys()


def test_imports_run_one_way():
    ranks = RANKS | TOP
    wrong = []
    for path, found in all_imports("ner_service"):
        if not is_under(found.module, "ner_service"):
            continue
        importer, imported = unit_of(module_of(path)), unit_of(found.module)
        if imported not in RANKS or ranks[imported] > ranks[importer]:
            wrong.append(f"{found.place} imports {found.module}")
    assert wrong == []


def test_units_of_one_layer_form_no_cycle():
    graph: dict[str, set[str]] = {}
    for path, found in all_imports("ner_service"):
        importer, imported = unit_of(module_of(path)), unit_of(found.module)
        if is_under(found.module, "ner_service") and importer != imported:
            graph.setdefault(importer, set()).add(imported)
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_training_imports_no_face():
    wrong = [
        f"{found.place} imports {found.module}"
        for _, found in all_imports("training")
        if is_under(found.module, "ner_service.api", "ner_service.batch", "ner_service.cli")
    ]
    assert wrong == []


def test_nothing_imports_training_or_tests():
    wrong = [
        f"{found.place} imports {found.module}"
        for _, found in all_imports("ner_service")
        if is_under(found.module, "training", "tests")
    ]
    assert wrong == []


def test_torch_is_imported_only_by_the_network_and_its_backend():
    wrong = [
        f"{found.place} imports {found.module}"
        for path, found in all_imports("ner_service")
        if is_under(found.module, "torch") and not relative(path).startswith(TORCH_ALLOWED)
    ]
    assert wrong == []


@pytest.mark.parametrize("module", ["ner_service", "ner_service.api.app", "ner_service.cli"])
def test_serving_loads_without_the_training_set(module: str):
    program = f"""
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {TRAINING_ONLY!r}:
            raise ModuleNotFoundError(f"{{name}} is not in the serving set", name=name)

sys.meta_path.insert(0, Refuse())
importlib.import_module({module!r})
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_command_line_starts_without_what_only_some_commands_need():
    program = "import sys, ner_service.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = ("numpy", "pydantic", "onnxruntime", "fastapi", "asyncio", "pyarrow")
    assert [name for name in done.stdout.split() if is_under(name, *heavy)] == []


def test_public_names_are_there_and_no_others():
    for name in ner_service.__all__:
        assert getattr(ner_service, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nobody'"):
        _ = ner_service.Nobody


def pickling_in(source: str, *, path: Path) -> Iterator[str]:
    """Everything in a file that could execute what a data file says."""
    for found in imports_in(source, path=path):
        if is_under(found.module, *PICKLING):
            yield f"{found.place} imports {found.module}"
    for node in ast.walk(ast.parse(source)):
        place = f"{relative(path)}:{getattr(node, 'lineno', 0)}"
        match node:
            case ast.Attribute() if ast.unparse(node) in PICKLING_CALLS:
                yield f"{place} uses {ast.unparse(node)}"
            case ast.ImportFrom(module=str(module), names=names):
                imported = {f"{module}.{alias.name}" for alias in names}
                yield from (f"{place} imports {name}" for name in imported & set(PICKLING_CALLS))
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=False)):
                pass
            case ast.keyword(arg="allow_pickle"):
                yield f"{place} allows pickle"


def test_nothing_is_pickled():
    wrong = [
        line
        for path in sources("ner_service", "training")
        for line in pickling_in(path.read_text(encoding="utf-8"), path=path)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "def late():\n    import dill",
        "import torch\nweights = torch.load('weights.pt', weights_only=True)",
        "from torch import load",
        "numpy.load('vectors.npy', allow_pickle=True)",
        "numpy.load('vectors.npy', allow_pickle=flag)",
    ],
)
def test_every_way_to_pickle_is_seen(source: str):
    assert list(pickling_in(source, path=ROOT / "ner_service" / "module.py"))


def test_numpy_load_without_pickle_is_fine():
    source = "numpy.load('vectors.npy', allow_pickle=False)"
    assert not list(pickling_in(source, path=ROOT / "ner_service" / "module.py"))
