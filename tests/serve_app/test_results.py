"""What is known of a finished render."""

from __future__ import annotations

from serve_app.results import new_render_id


def test_render_ids_are_new_each_time() -> None:
    assert len({new_render_id() for _ in range(1000)}) == 1000
