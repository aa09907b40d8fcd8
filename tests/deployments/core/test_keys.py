"""Equal work has one key everywhere; other work has another."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core import keys, values
from deployments.core.keys import Node
from deployments.core.types import AudioClip, EyeEvent, PhonemeSpan, VisemeTrack
from tests.deployments.cache import strategies

NODE = Node("tts", "piper", "1", '{"a":1}', "w")
TRACK = VisemeTrack(np.array([0.0, 0.5]), np.array([0, 3], np.uint8), np.ones(2, np.float32), 1.0)
ARRAY = np.arange(6, dtype=np.float32)
_ELSEWHERE = """
import numpy as np
from deployments.core import keys
from deployments.core.types import AudioClip
value = {"b": (1, 2.5, "ˈaː"), "a": AudioClip(np.array([0, 0.125, 0.25], np.float32), 16000), "c": b"x"}
print(keys.key(keys.Node("tts", "piper", "1", "{}"), [keys.digest(value)]))
"""


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_a_key_is_the_same_in_every_process(seed: str) -> None:
    value = {"a": AudioClip(np.array([0, 0.125, 0.25], np.float32), 16000), "b": (1, 2.5, "ˈaː"), "c": b"x"}
    here = keys.key(Node("tts", "piper", "1", "{}"), [keys.digest(value)])
    there = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert there.stdout.strip() == here


@given(st.dictionaries(st.text(max_size=3), strategies.scalars, max_size=5))
def test_the_order_of_a_mapping_does_not_matter(mapping: dict[str, Any]) -> None:
    assert keys.digest(dict(reversed(mapping.items()))) == keys.digest(mapping)


@given(strategies.arrays())
def test_byte_order_and_layout_do_not_matter(array: np.ndarray[Any, Any]) -> None:
    assert keys.digest(array.astype(array.dtype.newbyteorder(">"))) == keys.digest(array)
    assert keys.digest(array.copy(order="F")) == keys.digest(array)


@given(strategies.values, strategies.values)
def test_other_documents_have_other_digests(one: Any, other: Any) -> None:
    (document, buffers), (other_document, other_buffers) = values.flatten(one), values.flatten(other)
    same = document == other_document and list(map(values.raw, buffers)) == list(map(values.raw, other_buffers))
    assert (keys.digest(one) == keys.digest(other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ARRAY, ARRAY.astype(np.float64)),
        (ARRAY, ARRAY.view(np.int32)),
        (ARRAY, ARRAY.reshape(2, 3)),
        (ARRAY.reshape(2, 3), ARRAY.reshape(3, 2)),
        (ARRAY, np.nextafter(ARRAY, np.float32(9))),
        (np.empty((0, 2)), np.empty((2, 0))),
        (1.0, np.nextafter(1.0, 2)),
        (1, 1.0),
        (1, True),
        (1, "1"),
        (None, "null"),
        ("a", b"a"),
        ((), None),
        (("a", "b"), ("ab",)),
        (("a", ("b",)), (("a",), "b")),
        ((b"ab", b"c"), (b"a", b"bc")),
        ((b"ab", b""), (b"", b"ab")),
        ((ARRAY[:3], ARRAY[3:]), (ARRAY[:2], ARRAY[2:])),
        (("()",), ((),)),
        (("bytes", 0), (b"",)),
        ({"a": 1}, (("a", 1),)),
        (PhonemeSpan("a", 0.0, 1.0), ("PhonemeSpan", "a", 0.0, 1.0)),
        (PhonemeSpan("a", 0.0, 1.0), PhonemeSpan("a", 0.0, 1.5)),
        (TRACK, dataclasses.replace(TRACK, weights=np.zeros(2, np.float32))),
        (EyeEvent("blink", 0.0, 1.0), EyeEvent("saccade", 0.0, 1.0)),
    ],
)
def test_what_differs_has_another_digest(one: Any, other: Any) -> None:
    assert keys.digest(one) != keys.digest(other)


def test_another_type_of_the_same_fields_has_another_digest() -> None:
    @dataclass(frozen=True)
    class Stranger:
        symbol: str
        start_s: float
        end_s: float

    assert keys.digest(Stranger("a", 0.0, 1.0)) != keys.digest(PhonemeSpan("a", 0.0, 1.0))


def test_another_name_of_a_field_changes_all_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.digest(1)
    assert "PhonemeSpan(symbol,start_s,end_s)" in values.SCHEMA
    monkeypatch.setattr(values, "SCHEMA", values.SCHEMA.replace("start_s", "begin_s"))
    assert keys.digest(1) != before


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Node)])
def test_all_of_a_node_is_in_its_key(field: str) -> None:
    changed: Any = {field: "video" if field == "kind" else "other"}
    other = dataclasses.replace(NODE, **changed)
    assert keys.key(other, ["d"]) != keys.key(NODE, ["d"])


def test_inputs_are_told_apart_by_order_and_number() -> None:
    made = {keys.key(NODE, inputs) for inputs in ([], ["a"], ["a", "b"], ["b", "a"], ["ab"], ["a", "b", ""])}
    assert len(made) == 6
    assert keys.key(NODE, ["a"]).startswith("speech/")


def test_a_file_has_the_digest_of_its_content(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = keys.file_digest(file)
    file.write_bytes(b"another")
    second = keys.file_digest(file)
    (tmp_path / "copy").write_bytes(b"one")
    assert first == keys.file_digest(tmp_path / "copy")
    assert first != second


def test_a_file_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = keys.file_digest(file)
    read = keys._file_digest.cache_info().misses
    assert keys.file_digest(file) == first
    assert keys._file_digest.cache_info().misses == read


def test_another_content_of_the_same_size_time_and_inode_is_read(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first, state = keys.file_digest(file), file.stat()
    with file.open("r+b") as handle:
        handle.write(b"two")
    while file.stat().st_ctime_ns == state.st_ctime_ns:  # for a tick of the kernel's clock
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    changed = file.stat()
    assert (changed.st_mtime_ns, changed.st_size, changed.st_ino) == (state.st_mtime_ns, state.st_size, state.st_ino)
    assert keys.file_digest(file) != first


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        keys.file_digest(tmp_path / "weights")
