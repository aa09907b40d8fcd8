"""One Ray cluster and one server for the whole session: under xdist, for each of its processes."""

from __future__ import annotations

from . import environment  # isort: skip  # before anything imports Ray

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.schema import LoggingConfig

from serve_app import config_file
from serve_app.app import compose
from serve_app.settings import Settings

from .ports import free_port
from .shelf import Shelf, serve_files
from .voices import make_voices

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def voices_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with further voices on the weights of the bundled one: see tests/voices.py."""
    return make_voices(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory, voices_dir: Path) -> Settings:
    """configs/local.yaml with its own folders."""
    local = config_file.read(ROOT / "configs" / "local.yaml").settings
    data_dir = tmp_path_factory.mktemp("data")
    one_thread = local.voice.tts.model_copy(update={"options": {"threads": 1}})  # the other core has enough to do
    return local.model_copy(
        update={
            "storage": local.storage.model_copy(update={"data_dir": data_dir}),
            "voice": local.voice.model_copy(update={"folder": voices_dir, "tts": one_thread}),
            "cache": local.cache.model_copy(update={"memory_mb": 64}),  # of the smaller object store below
        }
    )


@pytest.fixture(scope="session")
def ray_folder() -> Iterator[Path]:
    """Where Ray keeps its sockets and logs; a short path, because sockets need one."""
    folder = Path(tempfile.mkdtemp(prefix="avatar-ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(environment.HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def ray_serve(ray_folder: Path) -> Iterator[str]:
    """A Ray cluster with Serve on loopback; its address."""
    port = free_port()
    ray.init(
        address="local",
        num_cpus=4,  # logical: room for the applications of all tests
        _node_ip_address="127.0.0.1",
        _temp_dir=str(ray_folder),
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        log_to_driver=False,
    )
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        logging_config=LoggingConfig(log_level="WARNING"),
    )
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()  # type: ignore[no-untyped-call]
    ray.shutdown()


@pytest.fixture(scope="session")
def server_url(ray_serve: str, settings: Settings) -> str:
    """The whole server, as configs/local.yaml wires it, on real Ray."""
    deployments = config_file.read(ROOT / "configs" / "local.yaml").deployments
    serve.run(compose(settings, deployments), name="avatar", route_prefix="/")
    return ray_serve


@pytest.fixture
def client(server_url: str) -> Iterator[httpx.Client]:
    """A client of the server."""
    with httpx.Client(base_url=server_url, timeout=60, trust_env=False) as http:
        yield http


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A file server without files."""
    with serve_files() as shelf:
        yield shelf


@pytest.fixture(scope="module")
def ara(settings: Settings) -> Iterator[Path]:
    """A character with random RVC weights, installed by the command line while the server runs; the voices' folder."""
    from .deployments.rvc.models import installed  # imports torch

    with installed(settings.storage.data_dir, settings.models_folder, "Ara") as folder:
        yield folder
