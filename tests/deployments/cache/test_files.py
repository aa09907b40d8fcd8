"""Files of values in a folder: what is there is right, what is wrong is a miss, and the limit holds."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.cache.contract import LifeTimes, Removed, Store
from deployments.cache.stores import folder as folders
from deployments.cache.stores.files import FileStore
from deployments.core import keys, values
from deployments.core.keys import Kind
from deployments.core.types import AudioClip, Speech
from tests.deployments.cache import strategies

HOUR = 3600.0
ROOT = Path(__file__).parents[3]
_WRITER = """
import sys
import numpy as np
from deployments.cache.contract import LifeTimes
from deployments.cache.stores.files import FileStore
from deployments.core import keys
store = FileStore(sys.argv[1], int(sys.argv[2]), LifeTimes(), False)
print("ready", flush=True)
for turn in range(int(sys.argv[3])):
    value = np.full(50_000, turn)
    store.put(f"speech/{turn % 20:064x}", value, keys.digest(value))
    found = store.get(f"speech/{turn * 7 % 20:064x}")
    assert found is None or found.digest == keys.digest(found.value)
print(store.stats().faults)
"""
"""Writes and reads 400 kB at a time under twenty keys."""
_LARGE_WRITER = """
import sys
import numpy as np
from deployments.cache.contract import LifeTimes
from deployments.cache.stores.files import FileStore
store = FileStore(sys.argv[1], None, LifeTimes(), False)
print("ready", flush=True)
for turn in range(10**6):
    store.put(f"speech/{turn % 3:064x}", np.full(2_000_000, turn), str(turn))
"""
"""16 MB at a time: it is mostly the disk that is waited for."""


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def key_of(number: int, kind: Kind = "speech") -> str:
    return f"{kind}/{number:064x}"


def store_in(
    folder: Path, limit: int | None = None, compress: bool = True, clock: Callable[[], float] = time.time
) -> FileStore:
    return FileStore(str(folder), limit, LifeTimes(speech=10, video=2), compress, clock)


def put(store: Store, number: int, value: Any, kind: Kind = "speech") -> str:
    key = key_of(number, kind)
    store.put(key, value, keys.digest(value))
    return key


def path_of(folder: Path, key: str) -> Path:
    kind, digits = key.split("/")
    return folder / kind / digits[:2] / f"{digits}.arrow"


def size_of(folder: Path) -> int:
    """Bytes of all files; they come and go."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


@pytest.mark.parametrize("compress", [False, True])
def test_speech_comes_back_with_its_digest(speech: Speech, tmp_path: Path, compress: bool) -> None:
    store: Store = store_in(tmp_path, compress=compress)
    found = store.get(put(store, 1, speech))
    assert found is not None
    assert found.digest == keys.digest(found.value) == keys.digest(speech)
    assert found.value.phonemes == speech.phonemes
    assert not found.value.audio.samples.flags.writeable
    assert found.value.audio.samples.flags.aligned


def test_speech_gets_smaller_and_what_cannot_stays_plain(speech: Speech, tmp_path: Path) -> None:
    plain, packed = store_in(tmp_path / "plain", compress=False), store_in(tmp_path / "packed")
    for store in (plain, packed):
        put(store, 1, speech)
    assert packed.stats().size_bytes < 0.87 * plain.stats().size_bytes
    noise = random.Random(1).randbytes(100_000)
    for store in (plain, packed):
        put(store, 1, noise)
    assert packed.stats().size_bytes == plain.stats().size_bytes


@settings(max_examples=60)
@given(value=strategies.values, compress=st.booleans())
def test_any_value_comes_back(value: Any, compress: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = store_in(tmp_path_factory.getbasetemp() / "any", compress=compress)
    found = store.get(put(store, 1, value))
    assert found is not None
    assert keys.digest(found.value) == found.digest == keys.digest(value)
    assert not store.stats().faults


def test_a_value_is_replaced(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    put(store, 1, "old")
    found = store.get(put(store, 1, "new"))
    assert found is not None
    assert found.value == "new"
    assert store.stats().entries == 1


def test_what_is_not_there_is_a_miss_and_no_fault(tmp_path: Path) -> None:
    store = store_in(tmp_path / "none")
    assert store.get(key_of(1)) is None
    assert store.clear() == store.cleanup() == Removed()
    stats = store.stats()
    assert (stats.entries, stats.accesses, stats.hits, stats.faults) == (0, 1, 0, {})
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("key", ["", "speech/x", "speech/../../etc/passwd", "other/" + "0" * 64, key_of(1) + "\n"])
def test_what_is_no_key_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no key"):
        store_in(tmp_path).get(key)
    with pytest.raises(ValueError, match="no key"):
        store_in(tmp_path).put(key, 1, "d")


def _flip(content: bytes, at: int) -> bytes:
    at %= len(content) * 8
    return content[: at // 8] + bytes([content[at // 8] ^ 1 << at % 8]) + content[at // 8 + 1 :]


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    at = draw(st.integers(0, 10**9))
    junk = draw(st.binary(min_size=1, max_size=200))
    damage: Callable[[bytes], bytes] = draw(
        st.sampled_from(
            [
                lambda content: _flip(content, at),
                lambda content: content[: at % len(content)],
                lambda content: content + junk,
                lambda content: junk + content,
                lambda content: junk,
                lambda content: content[:64] + junk,
            ]
        )
    )
    return damage


@settings(max_examples=150)
@given(damage=damages(), compress=st.booleans())
def test_a_damaged_file_is_a_miss_and_goes(
    damage: Callable[[bytes], bytes], compress: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    store = store_in(folder, compress=compress)
    value = AudioClip(np.linspace(-1, 1, 5000, dtype=np.float32), 22050)
    path = path_of(folder, put(store, 1, value))
    path.write_bytes(damage(path.read_bytes()))
    assert store.get(key_of(1)) is None
    assert not path.exists()
    assert store.stats().faults == {"corrupt": 1}


@pytest.mark.parametrize("other", [key_of(2), key_of(1, "video")])
def test_the_file_of_another_key_is_a_miss(other: str, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    put(store, 1, "one")
    store.put(other, "other", "d")
    shutil.copy(path_of(tmp_path, other), path_of(tmp_path, key_of(1)))
    assert store.get(key_of(1)) is None
    assert store.stats().faults == {"corrupt": 1}
    assert store.get(other) is not None


def test_a_type_of_another_release_is_a_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    put(store, 1, AudioClip(np.zeros(1, np.float32), 1))
    monkeypatch.delitem(values._TYPES, "AudioClip")
    assert store.get(key_of(1)) is None
    assert store.stats().faults == {"corrupt": 1}


def test_life_depends_on_the_kind_and_not_on_use(tmp_path: Path) -> None:
    clock = Clock()
    store = store_in(tmp_path, clock=clock)
    put(store, 1, "speech")
    put(store, 1, "video", "video")
    clock.now += 1.99 * HOUR
    assert store.get(key_of(1)) and store.get(key_of(1, "video"))
    clock.now += 0.02 * HOUR
    assert store.get(key_of(1)) and store.get(key_of(1, "video")) is None
    assert not path_of(tmp_path, key_of(1, "video")).exists()
    clock.now += 8 * HOUR
    assert store.get(key_of(1)) is None
    assert not store.stats().faults


def test_cleanup_removes_what_has_expired(tmp_path: Path) -> None:
    clock = Clock()
    store = store_in(tmp_path, clock=clock)
    put(store, 1, "speech")
    path = path_of(tmp_path, put(store, 2, "video", "video"))
    size = path.stat().st_size
    clock.now += 3 * HOUR
    assert store.cleanup() == Removed(1, size)
    assert not path.exists()
    assert store.cleanup() == Removed()
    clock.now += 8 * HOUR
    assert store.cleanup().entries == 1


def test_what_comes_from_the_far_future_expires(tmp_path: Path) -> None:
    clock = Clock()
    put(store_in(tmp_path, clock=lambda: clock.now + 11 * HOUR), 1, "later")
    assert store_in(tmp_path, clock=clock).get(key_of(1)) is None


def test_cleanup_removes_parts_that_are_old(tmp_path: Path) -> None:
    clock = Clock()
    store = store_in(tmp_path, clock=clock)
    path = path_of(tmp_path, put(store, 1, "value"))
    old, new, foreign = (path.with_name(f"{path.name}.{end}") for end in ("aa.part", "bb.part", "other"))
    for file in (old, new, foreign):
        file.write_bytes(b"xyz")
    os.utime(old, (clock.now, clock.now - 1.1 * HOUR))
    assert store.cleanup() == Removed(1, 3)
    assert sorted(path.parent.iterdir()) == sorted([path, new, foreign])
    assert store.stats().entries == 1


def test_clear_removes_values_and_nothing_else(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    put(store, 1, "a")
    put(store, 2, "b", "video")
    (tmp_path / "speech" / "notes.txt").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    size = store.stats().size_bytes
    assert store.clear() == Removed(2, size)
    assert store.stats().entries == 0
    assert len(list(tmp_path.rglob("notes.txt"))) == 2


def test_the_limit_holds_at_all_times_and_what_was_not_used_goes(tmp_path: Path) -> None:
    clock = Clock()
    store = store_in(tmp_path, 1_000_000, compress=False, clock=clock)
    for number in range(100):
        clock.now += 1
        put(store, number, np.full(5000, number))  # 40 kB
        assert size_of(tmp_path) <= 1_000_000
        assert store.get(key_of(0)) is not None  # in use
    kept = {number for number in range(1, 100) if path_of(tmp_path, key_of(number)).exists()}
    assert kept == set(range(100 - len(kept), 100))
    assert len(kept) * 40_000 > 800_000
    assert not store.stats().faults


def test_the_order_of_use_survives_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    for number in range(20):
        clock.now += 1
        put(store_in(tmp_path, 1_000_000, False, clock), number, np.full(5000, number))
    clock.now += 1
    used = (0, 3, 7)
    for number in used:
        store_in(tmp_path, 1_000_000, False, clock).get(key_of(number))
    store = store_in(tmp_path, 500_000, False, clock)
    removed = store.cleanup()
    left = {number for number in range(20) if path_of(tmp_path, key_of(number)).exists()}
    assert left == {*used, *range(20 - len(left) + len(used), 20)}
    assert removed.entries == 20 - len(left)
    assert size_of(tmp_path) <= 500_000


def test_use_does_not_change_the_time_of_creation(tmp_path: Path) -> None:
    clock = Clock()
    store = store_in(tmp_path, clock=clock)
    path = path_of(tmp_path, put(store, 1, "a"))
    created = clock.now
    clock.now += HOUR
    store.get(key_of(1))
    assert path.stat().st_mtime == pytest.approx(created, abs=1e-5)
    assert path.stat().st_atime == pytest.approx(clock.now, abs=1e-5)


def test_a_value_beyond_the_limit_is_not_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path, 10_000, compress=False)
    put(store, 1, "small")
    put(store, 2, np.zeros(2000))
    assert store.get(key_of(2)) is None
    assert store.get(key_of(1)) is not None
    assert store.stats().faults == {"too_large": 1}


def test_a_value_of_almost_the_limit_takes_the_place_of_all(tmp_path: Path) -> None:
    store = store_in(tmp_path, 10_000, compress=False)
    for number in range(5):
        put(store, number, np.zeros(100))
    put(store, 9, np.zeros(1100))
    assert store.get(key_of(9)) is not None
    assert store.stats().entries == 1


def test_two_stores_with_threads_share_a_folder(tmp_path: Path) -> None:
    stores = [store_in(tmp_path, 2_000_000, compress=False) for _ in range(2)]
    worst = 0

    def work(worker: int) -> None:
        random_number = random.Random(worker)
        for _ in range(60):
            store, number = stores[worker % 2], random_number.randrange(80)
            put(store, number, np.full(5000, number))
            found = store.get(key_of(random_number.randrange(80)))
            assert found is None or found.digest == keys.digest(found.value)

    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(work, worker) for worker in range(4)]
        while not all(task.done() for task in tasks):
            worst = max(worst, size_of(tmp_path))
        for task in tasks:
            task.result()
    assert worst <= 2_000_000
    assert not stores[0].stats().faults and not stores[1].stats().faults


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    processes = [started(_WRITER, tmp_path, 6_000_000, 150) for _ in range(2)]
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (0, "{}\n")
    assert size_of(tmp_path) <= 6_000_000
    assert not list(tmp_path.rglob("*.part"))


def test_a_process_that_is_killed_leaves_nothing_half_written(tmp_path: Path) -> None:
    served = 0
    for turn in range(6):
        process = started(_LARGE_WRITER, tmp_path)
        time.sleep(0.02 * turn)
        seen = set(tmp_path.rglob("*.part"))
        while process.poll() is None and not set(tmp_path.rglob("*.part")) - seen:
            pass
        process.kill()
        process.communicate()
        store = store_in(tmp_path)
        for number in range(3):
            if found := store.get(key_of(number)):
                assert (found.value == int(found.digest)).all()
                served += 1
        assert not store.stats().faults
    parts = list(tmp_path.rglob("*.part"))
    assert served and parts
    for part in parts:
        os.utime(part, (time.time(), time.time() - 2 * HOUR))
    assert store_in(tmp_path).cleanup().entries == len(parts)
    assert not list(tmp_path.rglob("*.part"))


def test_a_full_disk_is_a_fault_and_no_part_stays(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("mounting takes root")
    try:
        store = store_in(tmp_path, compress=False)
        for number in range(10):
            put(store, number, np.full(5000, number))
        entries = store.stats().entries
        assert 0 < entries < 10
        assert store.stats().faults == {"write_failed": 10 - entries}
        assert not list(tmp_path.rglob("*.part"))
        assert store.get(key_of(0)) is not None
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "speech").write_text("a file where the folder should be")
    store = store_in(tmp_path)
    put(store, 1, "a")
    assert store.get(key_of(1)) is None
    assert store.stats().faults == {"write_failed": 1, "unreadable": 1}


def test_what_cannot_be_flattened_is_a_fault(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.put(key_of(1), object(), "d")
    assert store.stats().faults == {"unstorable": 1}


def test_what_another_server_removes_meanwhile_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    put(store, 1, "a")
    listed = folders.Folder.entries

    def list_and_lose(self: folders.Folder) -> Any:
        entries = listed(self)
        shutil.rmtree(tmp_path / "speech", ignore_errors=True)
        return entries

    monkeypatch.setattr(folders.Folder, "entries", list_and_lose)
    assert store.clear() == Removed()
    assert store.stats().faults == {}


def test_a_disk_that_fails_is_a_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    put(store, 1, "a")

    def broken(*_: object) -> Any:
        raise OSError(errno.EIO, "broken")

    for method in ("read", "remove", "entries", "write"):
        monkeypatch.setattr(folders.Folder, method, broken)
    assert store.get(key_of(1)) is None
    put(store, 1, "b")
    assert store.clear() == store.cleanup() == Removed()
    assert store.stats().faults.keys() == {"unreadable", "write_failed", "not_removed"}


def test_many_readers_at_once_see_whole_values(tmp_path: Path) -> None:
    store, stop = store_in(tmp_path, compress=False), threading.Event()

    def read() -> int:
        hits = 0
        while not stop.is_set():
            if found := store.get(key_of(1)):
                assert (found.value == found.value[0]).all()
                hits += 1
        return hits

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for turn in range(50):
            put(store, 1, np.full(20_000, turn))
        stop.set()
        assert sum(reader.result() for reader in readers) > 0
    assert not store.stats().faults
