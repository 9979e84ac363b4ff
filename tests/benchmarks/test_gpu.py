import json

from tests.benchmarks import gpu
from tests.benchmarks.report import render
from tests.benchmarks.run import with_gpu
from tests.benchmarks.test_report import RESULTS

STORIES = ("Bob left Lisbon for Spain.", "The bank in Lisbon said so on Friday.")


def test_both_precisions_are_measured_and_told(tiny_model, monkeypatch, tmp_path):
    # On the processor: what is measured there proves that it runs, and that it reaches the page.
    monkeypatch.setattr(gpu, "_BATCHES", (1, 2))
    monkeypatch.setattr(gpu, "_MOST_RUNS", 2)
    figures = gpu.measure(tiny_model, STORIES, rounds=2)
    assert [(p["precision"], p["batch"]) for p in figures["encoder"]] == [
        ("full", 1), ("full", 2), ("half", 1), ("half", 2),
    ]  # fmt: skip
    assert all(point["tokens_per_second"]["min"] > 0 for point in figures["encoder"])
    assert figures["words"] == 13
    assert sum(figures["answers"].values()) > 0
    file = tmp_path / "gpu.json"
    assert with_gpu(RESULTS, file) == RESULTS
    file.write_text(json.dumps(figures))
    page = render(with_gpu(RESULTS, file))
    assert "## On a GPU\n\nnone: the processor" in page
    assert f"| gpu | {figures['run']['date']} |" in page


def test_without_a_gpu_nothing_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gpu, "has_gpu", lambda: False)
    file = tmp_path / "gpu.json"
    assert gpu.main(["--output", str(file)]) == 1
    assert "expected a GPU" in capsys.readouterr().err
    assert not file.exists()


def test_figures_that_are_kept_are_of_a_gpu():
    figures = json.loads(gpu.OUTPUT.read_text())
    assert figures["device"].startswith("NVIDIA")
    assert figures["run"]["date"]
