"""k8s/rayservice.yaml: fresh, valid for the CRD, and within the rules that only the operator checks."""

from __future__ import annotations

import copy
import importlib.util
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import ray
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.serve._private.constants import DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_S
from ray.serve.schema import ServeDeploySchema

from k8s import generate

SHARED = generate.ROOT.parent / "shared"
UPGRADES = {"NewCluster", "NewClusterWithIncrementalUpgrade", "None"}
NAME = re.compile(r"[a-z]([-a-z0-9]{0,39}[a-z0-9])?")
"""DNS-1035, and short enough for the suffixes that the operator adds."""

Tree = dict[str, Any]


def shared(path: str) -> Path:
    """A file of the project's shared folder, which a user's clone does not have."""
    file = SHARED / path
    if not file.is_file():
        missing = f"{file} is not here"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return file


def check_manifest() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_manifest", shared("tools/check_manifest.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def objects() -> list[Tree]:
    return list(yaml.safe_load_all(generate.MANIFEST.read_text(encoding="utf-8")))


@pytest.fixture
def service(objects: list[Tree]) -> Tree:
    return copy.deepcopy(next(each for each in objects if each["kind"] == "RayService"))


def test_the_manifest_is_fresh() -> None:
    assert generate.MANIFEST.read_text(encoding="utf-8") == generate.render(), "run: python k8s/generate.py"
    assert generate.main(["--check"]) == 0


def test_a_stale_manifest_is_noticed_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "rayservice.yaml"
    assert generate.main(["--check"], path) == 1
    assert generate.main([], path) == 0
    assert generate.main(["--check"], path) == 0
    path.write_text(generate.render().replace("maxReplicas: 5", "maxReplicas: 6"))
    assert generate.main(["--check"], path) == 1


def test_a_wrong_argument_changes_nothing() -> None:
    before = generate.MANIFEST.stat().st_mtime_ns
    assert generate.main(["--chekc"]) == 2
    assert generate.MANIFEST.stat().st_mtime_ns == before


def test_the_crd_knows_every_field(service: Tree) -> None:
    tool, crd = check_manifest(), yaml.safe_load(shared("data/kuberay/ray.io_rayservices.yaml").read_text())
    assert tool.errors_of(crd, service) == []
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplica"] = 4
    assert "maxReplica" in tool.errors_of(crd, service)[0].message


def test_serve_gets_the_config_file(service: Tree) -> None:
    embedded = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert embedded == yaml.safe_load(generate.CONFIG.read_text(encoding="utf-8"))
    assert ServeDeploySchema.model_validate(embedded).applications[0].import_path == "serve_app.app:build"


def test_the_manifest_says_the_ray_version_that_is_installed(service: Tree) -> None:
    assert service["spec"]["rayClusterConfig"]["rayVersion"] == ray.__version__


def groups(service: Tree) -> list[Tree]:
    cluster = service["spec"]["rayClusterConfig"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def operator_faults(service: Tree) -> Iterator[str]:
    """What KubeRay 1.7 refuses though its CRD allows it (controllers/ray/utils/validation.go)."""
    spec, cluster = service["spec"], service["spec"]["rayClusterConfig"]
    head = cluster["headGroupSpec"]
    if not NAME.fullmatch(service["metadata"]["name"]):
        yield "name"
    if spec.get("upgradeStrategy", {}).get("type", "None") not in UPGRADES:
        yield "upgradeStrategy"
    if spec.get("rayClusterDeletionDelaySeconds", 0) < 0:
        yield "rayClusterDeletionDelaySeconds"
    if head.get("headService", {}).get("metadata", {}).get("name"):
        yield "headService"
    if cluster.get("authOptions", {}).get("mode") == "token" and _version(cluster) < (2, 52):
        yield "authOptions"
    for group in groups(service):
        yield from _group_faults(group)
    if head["rayStartParams"].keys() & {"redis-password", "redis-username"}:
        yield "redis"
    environment = {entry["name"] for entry in head["template"]["spec"]["containers"][0].get("env", [])}
    if environment & {"RAY_REDIS_ADDRESS", "REDIS_PASSWORD", "REDIS_USERNAME", "RAY_enable_autoscaler_v2"}:
        yield "env"


def _version(cluster: Tree) -> tuple[int, ...]:
    return tuple(int(part) for part in cluster.get("rayVersion", "0").split("."))


def _group_faults(group: Tree) -> Iterator[str]:
    parameters, pod = group["rayStartParams"], group["template"]["spec"]
    if not pod["containers"]:
        yield "containers"
    if "labels" in parameters:
        yield "labels"
    if group.get("resources") and parameters.keys() & {"num-cpus", "num-gpus", "memory", "resources"}:
        yield "resources"
    if pod.get("restartPolicy", "Never") != "Never":
        yield "restartPolicy"
    if group.get("suspend"):
        yield "suspend"


BREAKS: dict[str, Callable[[Tree], object]] = {
    "name": lambda service: service["metadata"].update(name="Avatar_Serve"),
    "upgradeStrategy": lambda service: service["spec"]["upgradeStrategy"].update(type="Foo"),
    "authOptions": lambda service: service["spec"]["rayClusterConfig"].pop("rayVersion"),
    "labels": lambda service: groups(service)[1]["rayStartParams"].update(labels="group=cpu"),
    "resources": lambda service: groups(service)[0].update(resources={"CPU": "0"}),
    "restartPolicy": lambda service: groups(service)[1]["template"]["spec"].update(restartPolicy="Always"),
    "suspend": lambda service: groups(service)[2].update(suspend=True),
    "redis": lambda service: groups(service)[0]["rayStartParams"].update({"redis-password": "secret"}),
    "env": lambda service: groups(service)[0]["template"]["spec"]["containers"][0]["env"].append(
        {"name": "RAY_enable_autoscaler_v2", "value": "1"}
    ),
}


def test_nothing_is_assumed_of_options_that_a_config_may_leave_out() -> None:
    config = yaml.safe_load((generate.ROOT / "configs" / "local.yaml").read_text(encoding="utf-8"))
    service, *_ = generate.documents(config, "0.1.0")
    assert service["spec"]["rayClusterDeletionDelaySeconds"] == generate.DRAIN_S + DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_S


def test_the_operator_has_nothing_to_refuse(service: Tree) -> None:
    assert list(operator_faults(service)) == []


@pytest.mark.parametrize("fault", BREAKS)
def test_a_break_of_the_operators_rules_is_seen(service: Tree, fault: str) -> None:
    BREAKS[fault](service)
    assert list(operator_faults(service)) == [fault]


def test_the_operator_adds_command_and_probes(service: Tree) -> None:
    for group in groups(service):
        container = group["template"]["spec"]["containers"][0]
        assert not container.keys() & {"command", "args", "livenessProbe", "readinessProbe", "lifecycle"}


def test_every_pod_is_of_one_image_environment_and_volume(service: Tree) -> None:
    pods = [group["template"]["spec"] for group in groups(service)]
    assert {pod["containers"][0]["image"] for pod in pods} == {"avatar-serve:0.1.0"}
    for pod in pods:
        assert pod["containers"][0]["env"] == pods[0]["containers"][0]["env"]
        assert pod["volumes"] == pods[0]["volumes"]
    assert {"name": "RAY_SERVE_ENABLE_HA_PROXY", "value": "1"} in pods[0]["containers"][0]["env"]


def test_the_volume_is_the_one_of_storage_yaml_and_of_the_settings(service: Tree) -> None:
    claim = yaml.safe_load((generate.ROOT / "k8s" / "storage.yaml").read_text(encoding="utf-8"))
    assert claim["metadata"]["name"] == generate.DATA_CLAIM
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    mounted = {mount["mountPath"] for mount in groups(service)[1]["template"]["spec"]["containers"][0]["volumeMounts"]}
    storage = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"][0]["args"]["storage"]
    assert storage["data_dir"] in mounted


def test_a_pod_waits_for_the_last_render(service: Tree) -> None:
    deployments = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"][0]["deployments"]
    longest = generate.DRAIN_S + max(entry["graceful_shutdown_timeout_s"] for entry in deployments)
    assert service["spec"]["rayClusterDeletionDelaySeconds"] >= longest
    for group in groups(service):
        assert group["template"]["spec"]["terminationGracePeriodSeconds"] > longest


def test_rays_autoscaler_reads_the_groups_as_meant(service: Tree) -> None:
    cluster = {"metadata": {"name": "c", "namespace": "n"}, "spec": service["spec"]["rayClusterConfig"]}
    kinds = _derive_autoscaling_config_from_ray_cr(cluster)["available_node_types"]
    sizes = {name: (kind["min_workers"], kind["max_workers"]) for name, kind in kinds.items()}
    assert sizes == {"headgroup": (0, 0), "cpu": generate.CPU_PODS, "gpu": generate.GPU_PODS}
    assert {name: kind["resources"].get("GPU", 0) for name, kind in kinds.items()} == {
        "headgroup": 0,
        "cpu": 0,
        "gpu": 1,
    }
    assert {name: kind["resources"]["CPU"] for name, kind in kinds.items()} == {"headgroup": 0, "cpu": 4, "gpu": 4}


def test_budgets_select_pods_that_exist(objects: list[Tree], service: Tree) -> None:
    budgets = {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "PodDisruptionBudget"}
    assert set(budgets) == {"avatar-serve-head", "avatar-serve-cpu"}
    for budget in budgets.values():
        # RayCluster has no scale subresource: Kubernetes cannot follow maxUnavailable or a percentage.
        assert isinstance(budget["minAvailable"], int)
    added = [{"ray.io/node-type": "head"}, {"ray.io/group": "cpu"}]  # by the operator
    for budget, group, labels in zip(budgets.values(), groups(service), added, strict=False):
        assert budget["selector"]["matchLabels"] == {**group["template"]["metadata"]["labels"], **labels}
    assert budgets["avatar-serve-cpu"]["minAvailable"] < generate.CPU_PODS[0]  # else no node could be drained
