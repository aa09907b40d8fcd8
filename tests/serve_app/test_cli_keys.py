"""avatar-serve keys."""

from __future__ import annotations

import pytest
import yaml
from starlette.datastructures import Headers

from serve_app import cli
from serve_app.access_settings import AccessSettings
from serve_app.api.access import Access


@pytest.mark.parametrize(("flags", "admin"), [([], False), (["--admin"], True)])
def test_what_is_printed_opens_the_server(capsys: pytest.CaptureFixture[str], flags: list[str], admin: bool) -> None:
    assert cli.main(["keys", "new", "0123", *flags]) == 0
    printed = capsys.readouterr().out
    key = printed.splitlines()[0]
    assert key.startswith("av_") and len(key) == 46 and printed.count(key) == 1
    lines = yaml.safe_load(printed[printed.index("- name") :])
    known = Access(AccessSettings.model_validate({"keys": lines}).keys).identify(Headers({"x-api-key": key}))
    assert known and known.name == "0123" and known.admin == admin


def test_no_two_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert cli.main(["keys", "new", "ann"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len({line for line in printed if line.startswith("av_")}) == 2


def test_a_name_that_cannot_be_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["keys", "new", "?!"]) == 1
    captured = capsys.readouterr()
    assert "'?!' is no name" in captured.err and "letters" in captured.err and captured.out == ""
