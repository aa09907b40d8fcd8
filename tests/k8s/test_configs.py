"""The Serve config files: read strictly, complete, and cluster.yaml fits the pods that k8s/ asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve import Application, Deployment

from k8s import generate
from serve_app import config_file
from serve_app.app import build, compose
from serve_app.config_file import ConfigError, ConfigFile
from serve_app.settings import Settings

FILES = [generate.ROOT / "configs" / name for name in ("cluster.yaml", "gpu.yaml", "local.yaml")]

Tree = dict[str, Any]


def deployments_of(application: Application) -> Iterator[Deployment]:
    """The application's deployments, its ingress last."""
    bound: Deployment = application._bound_deployment
    arguments: tuple[Any, ...] = bound.init_args
    for argument in arguments:  # build() binds by position
        if isinstance(argument, Application):
            yield from deployments_of(argument)
    yield bound


def replicas(deployment: Deployment) -> tuple[int, int]:
    """Fewest and most."""
    autoscaling = deployment._deployment_config.autoscaling_config
    if autoscaling is None:
        return deployment.num_replicas, deployment.num_replicas
    return autoscaling.min_replicas, autoscaling.max_replicas


@pytest.fixture(scope="module")
def cluster() -> ConfigFile:
    return config_file.read(generate.CONFIG)


@pytest.fixture(scope="module")
def deployed(cluster: ConfigFile) -> dict[str, Deployment]:
    """The deployments as cluster.yaml configures them."""
    application = compose(cluster.settings, cluster.deployments)
    return {deployment.name: deployment for deployment in deployments_of(application)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_deployment_has_its_options(path: Path) -> None:
    config = config_file.read(path)
    names = {deployment.name for deployment in deployments_of(build(Settings()))}
    assert set(config.deployments) == names
    for name, options in config.deployments.items():
        assert "num_cpus" in options["ray_actor_options"], name
        # TTS, Avatar: Serve would replace the autoscaling_config that build() makes of the settings. Jobs: one leads.
        assert ("autoscaling_config" in options) == (name not in {"TTS", "Avatar", "Jobs"}), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_ray_accepts_every_option(path: Path) -> None:
    config = config_file.read(path)
    for deployment in deployments_of(compose(config.settings, config.deployments)):
        fewest, most = replicas(deployment)
        assert 1 <= fewest <= most


BREAKS: dict[str, Callable[[Tree, Tree], object]] = {
    "proxy_locations": lambda whole, _: whole.update(proxy_locations="EveryNode"),
    "http_options.prt": lambda whole, _: whole["http_options"].update(prt=1),
    "route_prefx": lambda whole, _: whole["applications"][0].update(route_prefx="/"),
    "limits.max_queued": lambda _, app: app["args"]["limits"].update(max_queued=1),
    "performance.tts_autoscaling.max_replicas": lambda _, app: app["args"]["performance"]["tts_autoscaling"].update(
        max_replicas=3
    ),
    "max_ongoing_request": lambda _, app: app["deployments"][0].update(max_ongoing_request=1),
    "ray_actor_options.num_cpu": lambda _, app: app["deployments"][0]["ray_actor_options"].update(num_cpu=1),
    "autoscaling_config.max_replica": lambda _, app: app["deployments"][-1]["autoscaling_config"].update(max_replica=1),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("key", BREAKS)
def test_a_misspelt_key_is_refused_by_name(tmp_path: Path, path: Path, key: str) -> None:
    whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    BREAKS[key](whole, whole["applications"][0])
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(whole))
    with pytest.raises(ConfigError, match=key):
        config_file.read(broken)


def asked_for(deployed: dict[str, Deployment], resource: str, *, most: bool) -> float:
    amounts = (replicas(each)[most] * ((each.ray_actor_options or {}).get(resource) or 0) for each in deployed.values())
    return float(sum(amounts))


def group_of(name: str) -> Tree:
    service = next(iter(yaml.safe_load_all(generate.render())))
    group: Tree = next(g for g in service["spec"]["rayClusterConfig"]["workerGroupSpecs"] if g["groupName"] == name)
    return group


def limit(group: Tree, resource: str) -> int:
    return int(group["template"]["spec"]["containers"][0]["resources"]["limits"][resource])


def test_the_replicas_fit_the_pods(deployed: dict[str, Deployment]) -> None:
    cpu, gpu = group_of("cpu"), group_of("gpu")
    cpus = limit(cpu, "cpu")
    assert asked_for(deployed, "num_cpus", most=False) <= cpu["minReplicas"] * cpus
    # Else Ray would start GPU pods for work that needs none. In a rollout a second leader starts beside the first.
    leader = (deployed["Jobs"].ray_actor_options or {})["num_cpus"]
    assert asked_for(deployed, "num_cpus", most=True) + leader <= cpu["maxReplicas"] * cpus
    assert asked_for(deployed, "num_gpus", most=True) <= gpu["maxReplicas"] * limit(gpu, "nvidia.com/gpu")
    assert replicas(deployed["Ingress"])[1] <= cpu["maxReplicas"]  # one on each pod


def test_no_deployment_goes_with_one_pod(deployed: dict[str, Deployment]) -> None:
    """But for Jobs, of which one leads: what it knows is in Valkey, and another pod takes over."""
    assert [name for name, deployment in deployed.items() if replicas(deployment)[0] < 2] == ["Jobs"]
    assert replicas(deployed["Jobs"]) == (1, 1)


def test_autoscaling_does_not_swing(cluster: ConfigFile, deployed: dict[str, Deployment]) -> None:
    """Rules from Ray's issues 63279 and 26455."""
    # A Renderer lets in what is sent to it; its share of what the server computes is what counts.
    share = cluster.settings.limits.max_concurrent_requests / replicas(deployed["Renderer"])[1]
    computes = {"Renderer": share}
    for name, deployment in deployed.items():
        if name == "Jobs":
            continue
        autoscaling = deployment._deployment_config.autoscaling_config
        assert autoscaling is not None, name
        target = autoscaling.get_target_ongoing_requests()
        assert target >= 1, name
        assert 0.6 <= target / computes.get(name, deployment.max_ongoing_requests) <= 0.8, name
        assert autoscaling.upscale_delay_s >= autoscaling.look_back_period_s / 2, name
        assert autoscaling.downscale_delay_s >= 300, name


def test_a_replica_that_stops_may_finish_its_work(cluster: ConfigFile, deployed: dict[str, Deployment]) -> None:
    timeouts = cluster.settings.timeouts
    longest = {
        "TTS": timeouts.tts_generation,
        "RVC": timeouts.rvc_conversion,
        "LipSync": timeouts.lipsync_generation,
        "Avatar": timeouts.avatar_generation,
        "Renderer": timeouts.sync_render,
        "Jobs": 0,  # what it has not finished its successor finishes
        "Ingress": timeouts.sync_render + generate.DRAIN_S,
    }
    assert longest.keys() == deployed.keys()
    for name, seconds in longest.items():
        assert deployed[name]._deployment_config.graceful_shutdown_timeout_s > seconds, name


def test_logs_are_json(cluster: ConfigFile, deployed: dict[str, Deployment]) -> None:
    assert cluster.settings.monitoring.log_format == "JSON"
    for deployment in deployed.values():
        assert (deployment._deployment_config.logging_config or {})["encoding"] == "JSON"
