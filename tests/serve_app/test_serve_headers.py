"""What Serve obeys is gone before Serve sees it, with Ray's own code around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve._private import constants, http_util
from ray.serve._private.utils import call_function_from_import_path
from starlette.types import Receive, Scope, Send

from k8s import generate
from serve_app import serve_headers, supervisor

HOOK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"

Headers = list[tuple[bytes, bytes]]


async def what_serve_sees(headers: Headers, kind: str = "http") -> Headers:
    """The headers of a request behind everything that Serve puts in front of itself."""
    seen: Headers = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])

    async def nothing(*_: object) -> Any:
        pytest.fail("nobody speaks")

    middlewares: list[Any] = list(serve_headers.middlewares())
    await http_util._apply_middlewares(serve, middlewares)({"type": kind, "headers": headers}, nothing, nothing)
    return seen


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_what_serve_obeys_does_not_reach_it(kind: str) -> None:
    orders = [
        (b"x-request-timeout-seconds", b"0.05"),
        (b"x-request-disconnect-disabled", b"?1"),
        (b"x-session-id", b"\xff"),
        (b"x_session_id", b"1"),
        (b"serve_multiplexed_model_id", b"joe"),
        (b"serve-multiplexed-model-id", b"joe"),
    ]
    others = [
        (b"x-request-id", b"mine-1"),
        (b"host", b"x"),
        (b"authorization", b"Bearer x"),
        (b"x-forwarded-for", b"y"),
    ]
    assert await what_serve_sees([*orders, *others, *orders], kind) == others


def test_nothing_that_serve_obeys_is_missing() -> None:
    """A new version of Ray may rename them: read where it reads them."""
    names = {
        constants.SERVE_HTTP_REQUEST_TIMEOUT_S_HEADER,
        constants.SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER,
        constants.SERVE_SESSION_ID,
        constants.SERVE_MULTIPLEXED_MODEL_ID.replace("_", "-"),
    }
    assert {name.encode() for name in names} == serve_headers.OBEYED
    assert constants.SERVE_HTTP_REQUEST_ID_HEADER == "x-request-id"


@pytest.mark.parametrize("sent", [b"\xff", b"caf\xe9", b"two words", b"", b"a" * 129, b"a\tb"])
async def test_serve_makes_an_id_where_what_came_cannot_be_one(sent: bytes) -> None:
    seen = dict(await what_serve_sees([(b"x-request-id", sent)]))
    assert len(seen[b"x-request-id"]) == 36 and seen[b"x-request-id"] != sent


@pytest.mark.parametrize("sent", [b"trace-me-42", b"a" * 128, b"1-67891233-abcdef012345678912345678", b"Root=1:2/3+4"])
async def test_an_id_is_kept(sent: bytes) -> None:
    assert await what_serve_sees([(b"x-request-id", sent)]) == [(b"x-request-id", sent)]


def test_serve_is_told_of_it_wherever_it_runs(tmp_path: Path) -> None:
    own = supervisor.environment("127.0.0.1", 8000, tmp_path)[HOOK]
    found = http_util.validate_http_proxy_callback_return(call_function_from_import_path(own))
    assert [str(middleware) for middleware in found] == ["Middleware(WithoutServeHeaders)"]
    service = next(yaml.safe_load_all(generate.MANIFEST.read_text(encoding="utf-8")))["spec"]["rayClusterConfig"]
    for group in (service["headGroupSpec"], *service["workerGroupSpecs"]):
        [container] = group["template"]["spec"]["containers"]
        assert {"name": HOOK, "value": own} in container["env"]


def test_serve_still_reads_the_name_of_it() -> None:
    assert hasattr(constants, HOOK) and hasattr(http_util, HOOK)
