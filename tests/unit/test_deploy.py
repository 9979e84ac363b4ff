"""What is deployed fits the service: paths, ports, metrics, settings; and the tools' schemas."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import promql_parser
import pytest
import typer
import yaml
from typer.main import get_command

from ner_service.api.settings import Settings
from ner_service.batch.command import tag
from tests.fakes import call, make_app, post

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
# A kustomization is no kind of the cluster's.
RESOURCES = [file for file in MANIFESTS if file.stem != "kustomization"]
DASHBOARD = json.loads((DEPLOY / "grafana" / "ner-service.json").read_text("utf-8"))
# The oldest with everything that the manifests use, and the newest that the schemas know.
KUBERNETES = ("1.31", "1.37")


def load(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def manifest(kind: str) -> dict[str, Any]:
    (found,) = (one for one in map(load, MANIFESTS) if one["kind"] == kind)
    return dict(found)


def pod() -> dict[str, Any]:
    return dict(manifest("Deployment")["spec"]["template"]["spec"])


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    return dict(only)


@pytest.fixture(scope="module")
def samples() -> dict[str, set[str]]:
    """The series of /metrics by name, with the names of their labels."""
    app = make_app()
    assert post(app, {"text": "Bob in Paris"}).status_code == 200
    text = call(app, "GET", "/metrics").text
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    return found


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("file", RESOURCES, ids=lambda file: file.stem)
def test_manifest_is_of_kubernetes_schema(file: Path, version: str):
    kubernetes_validate.validate(load(file), version, strict=True)


def test_kustomization_takes_every_manifest():
    resources = load(DEPLOY / "kubernetes" / "kustomization.yaml")["resources"]
    assert sorted(resources) == [file.name for file in RESOURCES]


def test_versions_are_the_project_s():
    assert container()["image"] == f"ner-service:{VERSION}"
    (image,) = load(DEPLOY / "kubernetes" / "kustomization.yaml")["images"]
    assert image == {"name": "ner-service", "newTag": VERSION}
    compose = load(DEPLOY / "compose.yaml")
    assert compose["services"]["ner-service"]["image"] == f"ner-service:{VERSION}"


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")],
)
def test_probes_ask_pages_that_answer_without_a_key(probe: str, path: str):
    asked = container()[probe]["httpGet"]
    assert asked == {"path": path, "port": "http"}
    assert call(make_app(api_keys="sesame"), "GET", path).status_code == 200


def test_ports_fit_together():
    (port,) = container()["ports"]
    assert re.search(r"^EXPOSE (\d+)$", DOCKERFILE, flags=re.MULTILINE)[1] == str(
        port["containerPort"]
    )
    command = json.loads(re.search(r"^CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)[1])
    assert command[-2:] == ["--port", str(port["containerPort"])]
    annotations = manifest("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])
    assert call(make_app(), "GET", annotations["prometheus.io/path"]).status_code == 200
    (served,) = manifest("Service")["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    (published,) = load(DEPLOY / "compose.yaml")["services"]["ner-service"]["ports"]
    assert published.endswith(f":{port['containerPort']}")
    scrape = load(DEPLOY / "prometheus" / "prometheus.yaml")["scrape_configs"]
    assert scrape[0]["static_configs"][0]["targets"] == [f"ner-service:{port['containerPort']}"]


def test_selectors_find_the_pods():
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert manifest(kind)["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    (spread,) = pod()["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels
    target = manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target["name"] == manifest("Deployment")["metadata"]["name"]


def test_pod_has_no_privileges():
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, flags=re.MULTILINE)
    context = pod()["securityContext"]
    assert context["runAsNonRoot"] is True
    assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user.groups()
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False


def test_environment_sets_what_there_is_to_set():
    names = {entry["name"] for entry in container()["env"]}
    names |= load(DEPLOY / "compose.yaml")["services"]["ner-service"]["environment"].keys()
    assert {name.removeprefix("NER_").lower() for name in names} <= Settings.model_fields.keys()


def test_threads_are_the_cpus_that_are_requested():
    (threads,) = (one["value"] for one in container()["env"] if one["name"] == "NER_THREADS")
    assert threads == container()["resources"]["requests"]["cpu"]
    assert container()["resources"]["limits"].keys() == {"cpu", "memory"}


def test_what_is_accepted_may_finish():
    # The settings themselves, whatever this machine's environment says.
    fields = Settings.model_fields
    needed = fields["drain_seconds"].default + fields["grace_seconds"].default
    assert pod()["terminationGracePeriodSeconds"] > needed
    grace = load(DEPLOY / "compose.yaml")["services"]["ner-service"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > needed


def test_drain_outlasts_the_readiness_probe():
    probe = container()["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < (
        Settings.model_fields["drain_seconds"].default
    )


def test_autoscaler_goes_by_a_metric_of_the_service(samples: dict[str, set[str]]):
    metrics = manifest("HorizontalPodAutoscaler")["spec"]["metrics"]
    (queue,) = (metric["pods"] for metric in metrics if metric["type"] == "Pods")
    assert queue["metric"]["name"] in samples
    full = Settings.model_fields["max_queue_tokens"].default
    assert int(queue["target"]["averageValue"]) < full / 10


def test_one_pod_at_a_time_is_taken_away():
    assert manifest("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert manifest("HorizontalPodAutoscaler")["spec"]["minReplicas"] > 1
    assert "replicas" not in manifest("Deployment")["spec"]


def test_compose_file_is_of_compose_schema():
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*command, DEPLOY / "compose.yaml"], check=True, stdout=subprocess.DEVNULL)


def test_compose_mounts_files_that_there_are():
    for service in load(DEPLOY / "compose.yaml")["services"].values():
        for volume in service.get("volumes", ()):
            assert (DEPLOY / volume.split(":")[0]).exists()


def test_compose_service_has_no_privileges():
    service = load(DEPLOY / "compose.yaml")["services"]["ner-service"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def selectors(node: Any) -> list[Any]:
    """Every selector of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    if isinstance(node, promql_parser.MatrixSelector):
        return [node.vector_selector]
    if isinstance(node, promql_parser.Call):
        children = list(node.args)
    elif isinstance(node, promql_parser.BinaryExpr):
        children = [node.lhs, node.rhs]
    elif isinstance(node, promql_parser.AggregateExpr):
        children = [node.expr]
    else:
        assert isinstance(node, promql_parser.NumberLiteral), type(node)
        children = []
    return [selector for child in children for selector in selectors(child)]


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_dashboard_asks_for_what_metrics_has(expression: str, samples: dict[str, set[str]]):
    tree = promql_parser.parse(expression.replace("$__rate_interval", "1m"))
    # What Prometheus itself adds to every series.
    given = {"job", "instance"}
    grouped = set(re.findall(r"by \((\w+)\)", expression))
    found = selectors(tree)
    assert found
    for selector in found:
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert selector.name in samples
        assert given <= labels
        assert labels | grouped <= samples[selector.name] | given


def test_dashboard_leaves_no_metric_of_the_service_out(samples: dict[str, set[str]]):
    everything = " ".join(expressions())
    families = {
        re.sub(r"_(bucket|sum|count|total|created)$", "", name)
        for name in samples
        if name.startswith("ner_")
    }
    assert [family for family in sorted(families) if family not in everything] == []


def test_dashboard_panels_do_not_overlap():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_dashboard_variables_are_defined():
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used - {"__rate_interval"} == names


@pytest.mark.parametrize("file", [ROOT / "Dockerfile", DEPLOY / "ray.Dockerfile"], ids=str)
def test_dockerfiles_pass_their_linter(file: Path):
    result = subprocess.run([BIN / "hadolint", file], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_make_audit_covers_every_pin_and_writes_the_list(tmp_path: Path):
    command = ["make", "--dry-run", "--no-print-directory", "audit", f"VENV={tmp_path}/new"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    planned = output.replace("\\\n", "")
    assert re.search(r"pip-audit .*--strict .*--requirement constraints\.txt", planned)
    assert re.search(r"cyclonedx-py environment .*dist/sbom\.cdx\.json", planned)


def test_the_ray_jobs_command_is_one_that_the_command_line_takes():
    (job,) = yaml.safe_load_all((DEPLOY / "rayjob.yaml").read_text("utf-8"))
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
    (job,) = yaml.safe_load_all((DEPLOY / "rayjob.yaml").read_text("utf-8"))
    spec = job["spec"]["rayClusterSpec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    images = {group["template"]["spec"]["containers"][0]["image"] for group in groups}
    assert len(images) == 1
    recipe = (DEPLOY / "ray.Dockerfile").read_text("utf-8")
    assert f"rayproject/ray:{spec['rayVersion']}-py311" in recipe
    # Ray refuses a cluster of another version than the driver's.
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert f"ray=={spec['rayVersion']}" in pins
