"""The RayJob manifest says nothing that the command line does not understand."""

import shlex
from pathlib import Path

import typer
import yaml
from typer.main import get_command

from ner_service.batch.command import tag

ROOT = Path(__file__).parents[2]


def test_the_ray_jobs_command_is_one_that_the_command_line_takes():
    (job,) = yaml.safe_load_all((ROOT / "deploy" / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    program, command, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (program, command) == ("ner-service", "tag")
    app = typer.Typer()
    app.command()(tag)
    parameters = get_command(app).make_context("tag", arguments).params
    assert parameters["engine"] == "ray"
    assert parameters["address"] == "auto"
    assert parameters["output"].startswith("s3://")


def test_head_and_workers_run_the_same_image_and_ray():
    (job,) = yaml.safe_load_all((ROOT / "deploy" / "rayjob.yaml").read_text())
    spec = job["spec"]["rayClusterSpec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    images = {group["template"]["spec"]["containers"][0]["image"] for group in groups}
    assert len(images) == 1
    recipe = (ROOT / "deploy" / "ray.Dockerfile").read_text()
    assert f"rayproject/ray:{spec['rayVersion']}-py311" in recipe
