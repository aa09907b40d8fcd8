"""Writes rayservice.yaml: configs/cluster.yaml and the Kubernetes objects around it.

python k8s/generate.py           writes it
python k8s/generate.py --check   exit status 1 when it is not what would be written
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "cluster.yaml"
MANIFEST = ROOT / "k8s" / "rayservice.yaml"
HEADER = """\
# Generated from configs/cluster.yaml and k8s/generate.py, where the reasons for the numbers stand. Do not edit.
# Written by: python k8s/generate.py   (or: make manifests)
"""

NAME = "avatar-serve"
RAY_VERSION = "2.60.0"
"""As in constraints.txt: the operator decides by it how to start and probe Ray."""
DATA_CLAIM = "avatar-data"
"""The volume claim of storage.yaml."""
VALKEY, VALKEY_PORT = "avatar-valkey", 6379
"""Service, and secret, of valkey.yaml: jobs, and Ray's own state. Not plain "valkey": for a service of that name,
Kubernetes gives every pod a VALKEY_PORT of its own making (tcp://...)."""
ACCESS = "avatar-access"
"""Secret that the operator may make: API keys, and what callbacks are signed with."""
LABELS = {"app.kubernetes.io/part-of": NAME}
"""On every pod, whatever cluster it belongs to: the name of the cluster changes with each upgrade."""

DRAIN_S = 30
"""An ingress replica that stops answers this long, so that all proxies can let go of it. Ray's default."""
STOP_S = 30
"""For Ray's own processes to end after the replicas have."""
SERVE_STOP_S = 20
"""What Serve gives a replica to stop where the config file says nothing."""
HARD_STOP_S = 900
"""HAProxy cuts sockets this long after a reload: longer than any render or stream. As in serve_app/supervisor.py."""
OBJECT_STORE_BYTES = 2**30 + 2**28
"""Of each pod: 40 renders of five minutes of speech (26 MB each), should one hold all of them, and a cache shard."""
SHM_SIZE = "1600Mi"
"""Memory below /dev/shm, where the object store lies: a quarter more, or Ray falls back to a slow file."""

CPU_PODS = (3, 5)
"""Fewest and most. Three hold two replicas of each stage, so that a lost node does not stop the service; five hold all
replicas of cluster.yaml."""
GPU_PODS = (0, 2)
"""None until a stage asks for a GPU; two bound the bill."""
CPU_IDLE_S = 300
"""A pod without replicas goes after this long: as long as a pod may take to come back (node, image)."""
GPU_IDLE_S = 600
"""Longer: the node takes longer to come, and so do the weights."""

Tree = dict[str, Any]


def documents(config: Tree, version: str) -> list[Tree]:
    """All objects of the manifest.

    Args:
        config: the content of a Serve config file.
        version: of the image.
    """
    return [
        _ray_service(config, f"{NAME}:{version}"),
        # The operator makes no budgets, and RayCluster has no scale subresource: so minAvailable, as a number.
        # The head is the one part that cannot be lost without a restart of all: nobody may evict it unasked.
        _disruption_budget("head", {"ray.io/node-type": "head"}, 1),
        _disruption_budget("cpu", {"ray.io/group": "cpu"}, CPU_PODS[0] - 1),
    ]


def render() -> str:
    """The text of rayservice.yaml."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return HEADER + yaml.dump_all(documents(config, version), Dumper=_Dumper, sort_keys=False, width=120)


def _ray_service(config: Tree, image: str) -> Tree:
    deployments = config["applications"][0]["deployments"]
    longest = max(entry.get("graceful_shutdown_timeout_s", SERVE_STOP_S) for entry in deployments)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": NAME, "labels": dict(LABELS)},
        "spec": {
            "serveConfigV2": yaml.safe_dump(config, sort_keys=False),
            # A new image is a new cluster beside the old one. The incremental kind needs a Gateway and cuts sockets.
            "upgradeStrategy": {"type": "NewCluster"},
            # The old cluster finishes the renders that it has when the new one takes over.
            "rayClusterDeletionDelaySeconds": DRAIN_S + longest,
            "excludeHeadPodFromServeSvc": True,  # the head has no replicas: it would only pass requests on
            "rayClusterConfig": _ray_cluster(image, DRAIN_S + longest + STOP_S),
        },
    }


def _ray_cluster(image: str, grace_s: int) -> Tree:
    return {
        "rayVersion": RAY_VERSION,
        "authOptions": {"mode": "token"},  # without it anybody in the network may run code through Ray's ports
        # A head that dies finds its cluster again. Each cluster has a namespace of its own there: the operator's UID.
        "gcsFaultToleranceOptions": {
            "redisAddress": f"{VALKEY}:{VALKEY_PORT}",
            "redisPassword": {"valueFrom": _secret(VALKEY, "password")},
        },
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {
            "version": "v2",
            "idleTimeoutSeconds": CPU_IDLE_S,
            "securityContext": _container_security(),
        },
        "headGroupSpec": {
            "rayStartParams": {
                "num-cpus": "0",  # no replicas: what a request can use up must not take the head down
                "dashboard-host": "0.0.0.0",  # the operator deploys through it
                "object-store-memory": str(OBJECT_STORE_BYTES),
            },
            # The cluster's state, Serve's controller, the dashboard and Ray's metrics: it grows with the events.
            "template": _pod("ray-head", image, {"cpu": "4", "memory": "8Gi"}, grace_s),
        },
        "workerGroupSpecs": [_cpu_group(image, grace_s), _gpu_group(image, grace_s)],
    }


def _cpu_group(image: str, grace_s: int) -> Tree:
    # Four TTS replicas of 1 GiB, one each of the others, the object store: half of 8 GiB is left for peaks.
    pod = _pod("ray-worker", image, {"cpu": "4", "memory": "8Gi"}, grace_s)
    pod["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",  # a small cluster with one large node works too
            "labelSelector": {"matchLabels": {**LABELS, "ray.io/group": "cpu"}},
        }
    ]
    return _group("cpu", CPU_PODS, CPU_IDLE_S, pod)


def _gpu_group(image: str, grace_s: int) -> Tree:
    # One GPU; CPUs to feed it; 16 GiB, because weights pass through the memory on their way to the GPU.
    pod = _pod("ray-worker", image, {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}, grace_s)
    pod["spec"]["nodeSelector"] = {"nvidia.com/gpu.present": "true"}  # NVIDIA's operator sets it
    pod["spec"]["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    return _group("gpu", GPU_PODS, GPU_IDLE_S, pod)


def _group(name: str, pods: tuple[int, int], idle_s: int, pod: Tree) -> Tree:
    fewest, most = pods
    return {
        "groupName": name,
        "replicas": fewest,
        "minReplicas": fewest,
        "maxReplicas": most,
        "idleTimeoutSeconds": idle_s,
        "rayStartParams": {"object-store-memory": str(OBJECT_STORE_BYTES)},
        "template": pod,
    }


def _pod(container: str, image: str, resources: Tree, grace_s: int) -> Tree:
    """A pod; no probes and no command: the operator adds both."""
    return {
        "metadata": {"labels": dict(LABELS)},
        "spec": {
            "terminationGracePeriodSeconds": grace_s,
            # The user of the image; the group may write to the volume.
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "fsGroup": 1000,
                "fsGroupChangePolicy": "OnRootMismatch",  # else each start walks over all results
            },
            "containers": [
                {
                    "name": container,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "env": _environment(),
                    # The same: memory that is promised is there, and Ray counts CPUs by the limit.
                    "resources": {"requests": dict(resources), "limits": dict(resources)},
                    "securityContext": _container_security(),
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "dshm", "mountPath": "/dev/shm"}],
                }
            ],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": DATA_CLAIM}},
                {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": SHM_SIZE}},
            ],
        },
    }


def _environment() -> list[Tree]:
    """The same on every pod: Serve reads these wherever it runs, and the head builds the application."""
    values = {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",  # about 7 times less latency than Serve's own proxy
        "RAY_SERVE_HAPROXY_BINARY_PATH": "/usr/local/bin/haproxy-without-splice",  # made by the Dockerfile
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(HARD_STOP_S),
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_app.serve_headers:middlewares",  # says there why
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(DRAIN_S),
        "RAY_USAGE_STATS_ENABLED": "0",  # reports nothing to Ray's makers
        "FORWARDED_ALLOW_IPS": "*",  # whoever ends TLS says so: else the addresses in answers would begin with http
        "VALKEY_HOST": VALKEY,  # a file of SQLite on the shared volume would be damaged: its locks do not hold there
        "VALKEY_PORT": str(VALKEY_PORT),
    }
    secrets = {
        "VALKEY_PASSWORD": _secret(VALKEY, "password"),
        # Without them everybody may do everything, and callback_url is refused.
        "AVATAR_ACCESS__KEYS": _secret(ACCESS, "keys", optional=True),
        "AVATAR_JOBS__WEBHOOK_SECRET": _secret(ACCESS, "webhook-secret", optional=True),
    }
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        *({"name": name, "valueFrom": source} for name, source in secrets.items()),
    ]


def _secret(name: str, key: str, *, optional: bool = False) -> Tree:
    """Where a value of the environment comes from."""
    return {"secretKeyRef": {"name": name, "key": key, **({"optional": True} if optional else {})}}


def _container_security() -> Tree:
    """What Kubernetes' restricted standard asks for."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _disruption_budget(part: str, selector: Tree, pods: int) -> Tree:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"{NAME}-{part}", "labels": dict(LABELS)},
        "spec": {"minAvailable": pods, "selector": {"matchLabels": {**LABELS, **selector}}},
    }


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, and everything twice rather than by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def main(arguments: Sequence[str], path: Path = MANIFEST) -> int:
    """Writes the manifest, or only looks whether it is up to date."""
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write(__doc__ or "")
        return 2
    manifest = render()
    if not arguments:
        path.write_text(manifest, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == manifest:
        return 0
    sys.stderr.write(f"{path} is stale: run python k8s/generate.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
