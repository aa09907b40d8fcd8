"""Who is let in, and what the documentation says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import SecretStr
from starlette.datastructures import Headers

from deployments.jobs.contract import ApiKey
from serve_app.api import errors
from serve_app.api.access import ANONYMOUS, Access, Caller


def key(name: str, secret: str, **rights: Any) -> ApiKey:
    return ApiKey(name=name, sha256=SecretStr(hashlib.sha256(secret.encode()).hexdigest()), **rights)


ANN = key("ann", "av_ann", priority="low", requests_per_minute=30, concurrent_jobs=2)
ROOT = key("root", "av_root", admin=True)


def application(keys: Sequence[ApiKey]) -> FastAPI:
    app = FastAPI()
    errors.install(app)
    access = Access(keys)
    user = Depends(access.user)

    @app.get("/me")
    async def me(caller: Caller = user) -> str:
        return caller.name

    @app.get("/settings", dependencies=[Depends(access.admin)])
    async def settings() -> str:
        return "all of them"

    @app.get("/open")
    async def open_() -> str:
        return "anybody"

    return app


async def get(path: str, keys: Sequence[ApiKey], **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application(keys)), base_url="http://edge") as http:
        return await http.get(path, headers=sent)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer av_ann"},
        {"authorization": "bearer   av_ann "},
        {"x_api_key": "av_ann"},
        {"x_api_key": "av_ann", "authorization": "Basic dXNlcjpwYXNz"},
        {"x_api_key": "something else", "authorization": "Bearer av_ann"},
    ],
)
async def test_a_key_is_known_in_either_header(headers: dict[str, str]) -> None:
    answer = await get("/me", [ROOT, ANN], **headers)
    assert answer.status_code == 200 and answer.json() == "ann"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "An API key is needed."),
        ({"x_api_key": " "}, "An API key is needed."),
        ({"authorization": "Bearer"}, "An API key is needed."),
        ({"authorization": "av_ann"}, "An API key is needed."),
        ({"authorization": "Basic av_ann"}, "An API key is needed."),
        ({"authorization": "Bearer av_anna"}, "Nobody has this API key."),
        ({"authorization": "Bearer av_nobody", "x_api_key": "av_ann"}, "Nobody has this API key."),
        ({"x_api_key": "AV_ANN"}, "Nobody has this API key."),
        ({"x_api_key": "a" * 10_000}, "Nobody has this API key."),
        ({"x_api_key": ANN.sha256.get_secret_value()}, "Nobody has this API key."),
    ],
)
async def test_without_a_known_key_it_is_401(headers: dict[str, str], words: str) -> None:
    for path in ("/me", "/settings"):
        answer = await get(path, [ANN, ROOT], **headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        error = answer.json()["error"]
        assert error["code"] == "unauthorized" and error["message"] == words and error["hint"]
    assert (await get("/open", [ANN, ROOT], **headers)).status_code == 200


async def test_a_key_need_not_be_ascii() -> None:
    access = Access([ANN])
    assert access.identify(Headers(raw=[(b"x-api-key", b"\xff\xfe")])) is None
    assert Access([key("odd", "ÿ")]).identify(Headers(raw=[(b"x-api-key", "ÿ".encode())])) is not None


async def test_only_an_admin_key_opens_what_is_for_admins() -> None:
    assert (await get("/settings", [ANN, ROOT], x_api_key="av_root")).status_code == 200
    answer = await get("/settings", [ANN, ROOT], x_api_key="av_ann")
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden"
    assert "admin: true" in answer.json()["error"]["hint"] and "www-authenticate" not in answer.headers


async def test_without_keys_everybody_may_do_everything() -> None:
    for headers in ({}, {"authorization": "Bearer whatever"}):
        assert (await get("/me", [], **headers)).json() == ""
        assert (await get("/settings", [], **headers)).status_code == 200
    assert not Access([]).enabled and Access([ANN]).enabled
    assert Access([]).caller(Headers({"x-api-key": "x"})) == ANONYMOUS and ANONYMOUS.admin
    assert Access([]).identify(Headers({"x-api-key": "x"})) is None


def test_a_caller_has_the_rights_of_the_key() -> None:
    access = Access([ANN, ROOT])
    assert access.caller(Headers({"x-api-key": "av_ann"})) == Caller("ann", False, "low", 30, 2)
    assert access.caller(Headers({"x-api-key": "av_root"})) == Caller("root", True, "high", None, None)
    assert access.identify(Headers({"x-api-key": "av_root"})) is ROOT


async def test_the_documentation_asks_for_a_key_where_one_is_needed() -> None:
    schema = application([ANN]).openapi()
    schemes = schema["components"]["securitySchemes"]
    assert schemes["Bearer"] == {"type": "http", "scheme": "bearer"}
    assert schemes["X-API-Key"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    for path in ("/me", "/settings"):
        operation = schema["paths"][path]["get"]
        assert operation["security"] == [{"Bearer": []}, {"X-API-Key": []}]  # either of them
        assert "parameters" not in operation
    assert "security" not in schema["paths"]["/open"]["get"]
    without = application([]).openapi()
    assert "securitySchemes" not in without.get("components", {}) and "security" not in without["paths"]["/me"]["get"]
