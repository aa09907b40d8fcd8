"""schemathesis asks everything that the server's own OpenAPI allows, and much that it does not. On real Ray."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from serve_app.api.app import create_app
from serve_app.settings import Settings
from tests.serve_app.jobs import ENDED, reports
from tests.serve_app.test_cache import until

DOCUMENTATION = create_app(cast(Any, None), Settings()).openapi()
"""What pytest runs must be known before there is a server; that the server says the same is a test of its own."""
api = schemathesis.openapi.from_dict(DOCUMENTATION)

_SPOKEN = ("text", "input")
_LONGEST = 12
"""Characters of a text that is spoken: speaking takes time here, and is tested elsewhere."""


@pytest.fixture(scope="module", autouse=True)
def tidy(server_url: str) -> Iterator[None]:
    """Leaves nothing at work behind."""
    yield
    with httpx.Client(base_url=server_url, timeout=60, trust_env=False) as client:
        for job in reports(client):
            if job["status"] not in ENDED:
                client.delete(f"/jobs/{job['job_id']}/cancel")
        until(lambda: client.get("/health").json()["pending_jobs"] == 0)


def test_the_server_tells_what_is_asked_here(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json() == DOCUMENTATION


@api.parametrize()
@hypothesis_settings(
    max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
def test_no_question_breaks_the_server(case: Case[Any], server_url: str) -> None:
    """Answers are as documented: their status, headers and bodies; what is wrong is refused."""
    for name in _SPOKEN:
        if isinstance(case.body, dict) and isinstance(text := case.body.get(name), str) and len(text) <= 5000:
            case.body[name] = text[:_LONGEST]
    # Not all that a schema allows can be done: voices that there are not, callbacks of a server without a secret.
    case.call_and_validate(base_url=server_url, timeout=60, excluded_checks=[positive_data_acceptance])
