"""Strict reading of config files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app import config_file
from serve_app.config_file import ConfigError

LOCAL = Path(__file__).parents[2] / "configs" / "local.yaml"


def written(folder: Path, change: dict[str, Any], place: tuple[Any, ...]) -> Path:
    """local.yaml with `change` merged in at `place`."""
    document = yaml.safe_load(LOCAL.read_text())
    target = document
    for key in place:
        target = target[key]
    target.update(change)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_local_is_sound() -> None:
    config = config_file.read(LOCAL)
    assert (config.host, config.port) == ("127.0.0.1", 8000)
    assert set(config.deployments) == {"TTS", "RVC", "LipSync", "Avatar", "Renderer", "Jobs", "Ingress"}


@pytest.mark.parametrize(
    ("change", "place", "named"),
    [
        ({"proxy_locaton": "HeadOnly"}, (), "proxy_locaton"),
        ({"prot": 1}, ("http_options",), "http_options.prot"),
        ({"nam": "x"}, ("applications", 0), "nam"),
        ({"num_replica": 1}, ("applications", 0, "deployments", 0), "num_replica"),
        ({"max_replica": 3}, ("applications", 0, "deployments", 1, "autoscaling_config"), "max_replica"),
        ({"num_cpu": 3}, ("applications", 0, "deployments", 0, "ray_actor_options"), "num_cpu"),
        ({"name": "Lipsync"}, ("applications", 0, "deployments", 1), "no deployment Lipsync"),
        ({"name": "TTS"}, ("applications", 0, "deployments", 1), "TTS is listed twice"),
        ({"num_replicas": 2}, ("applications", 0, "deployments", 1), "num_replicas"),
        ({"sped": 3}, ("applications", 0, "args"), "sped"),
        ({"import_path": "other:app"}, ("applications", 0), "import_path"),
    ],
)
def test_a_misspelt_key_is_named(tmp_path: Path, change: dict[str, Any], place: tuple[Any, ...], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        config_file.read(written(tmp_path, change, place))


@pytest.mark.parametrize("content", ["", "a: [", "- 1", "applications: 3", "\x00"])
def test_what_is_no_config_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError):
        config_file.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        config_file.read(tmp_path / "none.yaml")
