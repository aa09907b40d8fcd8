"""Models in memory: never more bytes than allowed, and the one used last stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.loaded import Loaded

SIZES = {"a": 10, "b": 20, "c": 30, "d": 70}
LIMIT = 60


def _load(name: str, log: list[str]) -> tuple[str, int]:
    log.append(name)
    return name.upper(), SIZES[name]


@given(st.lists(st.sampled_from(sorted(SIZES)), max_size=30))
def test_bytes_are_bounded_and_the_last_used_stay(names: list[str]) -> None:
    loaded: Loaded[str] = Loaded(LIMIT)
    kept: list[str] = []
    for name in names:
        log: list[str] = []
        assert loaded.get(name, lambda name=name, log=log: _load(name, log)) == name.upper()  # type: ignore[misc]
        assert log == ([] if name in kept else [name])
        kept = [each for each in kept if each != name] + [name]
        while len(kept) > 1 and sum(SIZES[each] for each in kept) > LIMIT:
            kept.pop(0)
        assert loaded.size_bytes == sum(SIZES[each] for each in kept) and len(loaded) == len(kept)


def test_a_model_that_cannot_be_loaded_takes_nobodys_place() -> None:
    loaded: Loaded[str] = Loaded(LIMIT)
    loaded.get("a", lambda: ("A", 10))

    def fail() -> tuple[str, int]:
        raise ValueError("broken")

    for _ in range(2):
        try:
            loaded.get("b", fail)
        except ValueError:
            continue
        raise AssertionError("it was loaded")
    assert len(loaded) == 1 and loaded.get("a", fail) == "A"
