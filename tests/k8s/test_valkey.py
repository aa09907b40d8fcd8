"""k8s/valkey.yaml: keeps what it is given, and the pods of rayservice.yaml find it."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import valkey
import yaml

from deployments.core.types import RenderRequest
from deployments.jobs.contract import Change, Job, StoreFailed
from deployments.jobs.stores.valkey import ValkeyStore
from k8s import generate
from serve_app.settings import PLAIN_NAMES, Settings
from tests.ports import free_port
from tests.redis_setup import find

SERVER = generate.ROOT / "k8s" / "valkey.yaml"
PASSWORD = "a secret"
UNITS = {"Mi": 2**20, "Gi": 2**30, "mb": 2**20, "gb": 2**30}

Tree = dict[str, Any]


@pytest.fixture(scope="module")
def objects() -> dict[str, Tree]:
    return {each["kind"]: each for each in yaml.safe_load_all(SERVER.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def pod(objects: dict[str, Tree]) -> Tree:
    template: Tree = objects["StatefulSet"]["spec"]["template"]["spec"]
    return template


@pytest.fixture(scope="module")
def options(pod: Tree) -> dict[str, str]:
    arguments = pod["containers"][0]["args"]
    return dict(zip(arguments[::2], arguments[1::2], strict=True))


@pytest.fixture(scope="module")
def cluster() -> Tree:
    service = next(iter(yaml.safe_load_all(generate.render())))
    config: Tree = service["spec"]["rayClusterConfig"]
    return config


@pytest.fixture(scope="module")
def environment(cluster: Tree) -> dict[str, Tree]:
    entries = cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["env"]
    return {entry["name"]: entry for entry in entries}


def size(text: str) -> float:
    number, unit = re.fullmatch(r"([0-9]+)([A-Za-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def test_the_service_leads_to_the_pod(objects: dict[str, Tree], pod: Tree) -> None:
    service, workload, budget = (objects[kind] for kind in ("Service", "StatefulSet", "PodDisruptionBudget"))
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["metadata"]["name"] == workload["spec"]["serviceName"] == generate.VALKEY
    (port,), (opened,) = service["spec"]["ports"], pod["containers"][0]["ports"]
    assert (port["port"], port["targetPort"]) == (generate.VALKEY_PORT, opened["name"])
    assert opened["containerPort"] == generate.VALKEY_PORT


def test_jobs_and_ray_use_this_server(cluster: Tree, environment: dict[str, Tree], pod: Tree) -> None:
    secret = {"secretKeyRef": {"name": generate.VALKEY, "key": "password"}}
    assert environment["VALKEY_HOST"]["value"] == generate.VALKEY
    assert environment["VALKEY_PORT"]["value"] == str(generate.VALKEY_PORT)
    assert environment["VALKEY_PASSWORD"]["valueFrom"] == secret
    tolerance = cluster["gcsFaultToleranceOptions"]
    assert tolerance["redisAddress"] == f"{generate.VALKEY}:{generate.VALKEY_PORT}"
    assert tolerance["redisPassword"]["valueFrom"] == secret
    assert pod["containers"][0]["env"] == [{"name": "VALKEY_PASSWORD", "valueFrom": secret}]


def test_the_settings_understand_the_pods_environment(
    environment: dict[str, Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = "0" * 64
    secrets = {
        "VALKEY_PASSWORD": PASSWORD,
        "AVATAR_ACCESS__KEYS": f'[{{"name": "web", "sha256": "{digest}"}}]',
        "AVATAR_JOBS__WEBHOOK_SECRET": "signs",
    }
    assert {name for name, entry in environment.items() if "valueFrom" in entry} == secrets.keys()
    for name, entry in environment.items():
        monkeypatch.setenv(name, secrets.get(name) or entry["value"])
    # What Kubernetes adds for a service of that name must neither be taken for a setting nor hide one.
    prefix = generate.VALKEY.upper().replace("-", "_")
    assert f"{prefix}_PORT" not in PLAIN_NAMES
    monkeypatch.setenv(f"{prefix}_PORT", "tcp://10.0.0.1:6379")
    settings = Settings(**yaml.safe_load(generate.CONFIG.read_text(encoding="utf-8"))["applications"][0]["args"])
    assert (settings.jobs.valkey_host, settings.jobs.valkey_port) == (generate.VALKEY, generate.VALKEY_PORT)
    assert settings.jobs.valkey_password and settings.jobs.valkey_password.get_secret_value() == PASSWORD
    assert [key.name for key in settings.access.keys] == ["web"]
    assert settings.jobs.webhook_secret and settings.jobs.webhook_secret.get_secret_value() == "signs"


def test_only_the_servers_password_must_be_made(environment: dict[str, Tree]) -> None:
    references = [entry["valueFrom"]["secretKeyRef"] for entry in environment.values() if "valueFrom" in entry]
    needed = {reference["name"] for reference in references if not reference.get("optional")}
    assert needed == {generate.VALKEY}
    guide = (generate.ROOT / "k8s" / "README.md").read_text(encoding="utf-8")
    for reference in references:
        assert f"secret generic {reference['name']}" in guide
        assert reference["key"] in guide


def test_it_is_pinned_confined_and_watched(pod: Tree) -> None:
    (container,) = pod["containers"]
    assert re.fullmatch(r"valkey/valkey:[0-9]+\.[0-9]+\.[0-9]+", container["image"])
    assert container["securityContext"] == {**generate._container_security(), "readOnlyRootFilesystem": True}
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["fsGroup"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


def test_nothing_is_forgotten(objects: dict[str, Tree], pod: Tree, options: dict[str, str]) -> None:
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")
    assert options["--maxmemory-policy"] == "noeviction"
    (mount,) = pod["containers"][0]["volumeMounts"]
    assert options["--dir"] == mount["mountPath"]
    (claim,) = objects["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == mount["name"] and claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    data = size(options["--maxmemory"])
    assert size(pod["containers"][0]["resources"]["limits"]["memory"]) >= 1.5 * data
    assert size(claim["spec"]["resources"]["requests"]["storage"]) >= 3 * data


def test_the_server_takes_its_arguments(options: dict[str, str], pod: Tree, tmp_path: Path) -> None:
    """And refuses new jobs when it is full, in words of ours; those that it has stay."""
    program, port = find(), free_port()
    assert program, "run: python tests/redis_setup.py"
    given = {**options, "--dir": str(tmp_path), "--requirepass": PASSWORD, "--port": str(port), "--bind": "127.0.0.1"}
    process = subprocess.Popen([program, *(part for pair in given.items() for part in pair)], stdout=subprocess.DEVNULL)
    store = ValkeyStore("127.0.0.1", port, PASSWORD, "avatar")
    try:
        with valkey.Valkey("127.0.0.1", port, password=PASSWORD) as client:
            _wait_for(client)
            assert client.config_get("maxmemory")["maxmemory"] == str(int(size(options["--maxmemory"])))
            store.take_over()
            store.write([Change(_job(1))])
            client.config_set("maxmemory", "1")
            with pytest.raises(StoreFailed):
                store.write([Change(_job(2))])
            assert store.get([_job(1).job_id, _job(2).job_id]) == [_job(1), None]
            probes = {pod["containers"][0][f"{kind}Probe"]["exec"]["command"][-1] for kind in ("startup", "readiness")}
            statuses = {_probe(probe, program, port, PASSWORD) for probe in probes}
            assert (statuses, {_probe(probe, program, port, "another") for probe in probes}) == ({0}, {1})
    finally:
        store.close()
        process.kill()
        process.wait()


def _wait_for(client: valkey.Valkey) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            client.ping()
            return
        except valkey.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _job(number: int) -> Job:
    request = RenderRequest("Hello.", "en_US-joe-medium", 1.0, None)
    return Job(f"{number:032x}", "", request, "normal", "f" * 64, created_s=float(number))


def _probe(command: str, program: str, port: int, password: str) -> int:
    """Its exit status, with the client that belongs to the server of the tests."""
    client = program.replace("-server", "-cli")
    command = command.replace("valkey-cli", f"{client} -p {port}")
    return subprocess.run(["sh", "-c", command], env={"VALKEY_PASSWORD": password, "PATH": "/usr/bin:/bin"}).returncode
