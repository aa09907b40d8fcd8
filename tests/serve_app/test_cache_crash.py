"""Level 2 over the lives of whole servers: kill -9 in the middle of everything, another release, the command line."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.ports import free_port
from tests.serve_app.test_cache import WAIT_S, check, entries, http, media, ran, render, report, until
from tests.serve_app.test_cli import run
from tests.serve_app.test_server import RENDER
from tests.serve_app.test_supervisor import STOP_S, Server, start

ROOT = Path(__file__).resolve().parents[2]
HOUR_S = 3600
LIVES = ("Apple",)
"""Each takes 15 s and ends in a kill; four in a row went well."""
ENGINE = Path("deployments") / "lipsync" / "engines" / "phonemes" / "__init__.py"
SHAPES = Path("deployments") / "lipsync" / "shapes.py"


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Whatever a test started is ended, however it went."""
    started: list[Server] = []
    yield started
    for server in started:
        kill(server)


def started(servers: list[Server], folder: Path, **environ: str) -> Server:
    """A server that answers."""
    server = start(folder, free_port(), **environ)
    servers.append(server)
    server.wait_for("Ready: http://127.0.0.1")
    return server


def kill(server: Server) -> None:
    """All of its processes at once, as a machine does that loses its power."""
    processes = server.processes()
    folders = [command[-1] for each in processes if "serve_app.serving" in (command := _command(each))]
    for process in processes:
        process.kill()
    server.process.wait(timeout=STOP_S)
    server.wait_until_gone()
    for folder in folders:  # of this server alone: nobody is left to remove it
        assert Path(folder).name.startswith("avatar-serve-")
        shutil.rmtree(folder, ignore_errors=True)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


class Crowd:
    """Three clients that want ever new texts until their server is gone."""

    def __init__(self, server: Server, name: str) -> None:
        self.asked: list[str] = []
        """Texts that were begun."""
        self.answered = 0
        self._url = server.url
        self._name = name
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(3)
        self._clients = [self._pool.submit(self._ask, number) for number in range(3)]

    def leave(self) -> None:
        self._over.set()
        self._pool.shutdown()
        for each in self._clients:
            each.result()

    def _ask(self, client_number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=WAIT_S, trust_env=False) as client:
            for number in range(1000):
                text = f"{self._name} {client_number} {number}."
                self.asked.append(text)
                try:
                    reply = client.post(RENDER, json={"text": text})
                except httpx.TransportError:
                    return  # the server died
                if self._over.is_set() or reply.status_code >= 500:
                    return  # parts of it did
                assert reply.status_code == 200, reply.text
                self.answered += 1


def test_kill_9_in_mid_write_leaves_nothing_wrong(tmp_path: Path, servers: list[Server]) -> None:
    settled = ["Here is the first.", "And here comes another."]
    asked = list(settled)
    for life, name in enumerate(LIVES):
        server = started(servers, tmp_path)
        with http(server.url) as client:
            before = {text: media(client, render(client, text)) for text in settled}
            entries(client)
        crowd = Crowd(server, name)
        until(lambda crowd=crowd, enough=6 + life: crowd.answered >= enough)  # type: ignore[misc]
        kill(server)
        crowd.leave()
        asked += crowd.asked
    old, young = plant_parts(tmp_path)
    server = started(servers, tmp_path)
    with http(server.url) as client:
        for text in settled:
            again = render(client, text)
            assert again["cached"] is True and media(client, again) == before[text]
        for text in asked:
            check(client, render(client, text), text)
        for text in asked[::3]:
            check(client, render(client, text, timing="exact"), text)
        assert report(client)["faults"] == {}
        client.post("/cache/cleanup").raise_for_status()
        assert not old.exists() and young.exists()
        the_command_line_shares_it(tmp_path, client)


def plant_parts(folder: Path) -> tuple[Path, Path]:
    """What a writer may leave behind that is killed, an hour and a moment ago; a kill hits that moment seldom."""
    value = next((folder / "data" / "cache").rglob("*.arrow"))
    old, young = (value.with_name(f"{value.name}.{digit * 16}.part") for digit in "ab")
    for part in (old, young):
        part.write_bytes(value.read_bytes()[:1000])
    long_ago = time.time() - HOUR_S - 60
    os.utime(old, (long_ago, long_ago))
    return old, young


def the_command_line_shares_it(folder: Path, client: httpx.Client) -> None:
    """In both directions."""
    spoken = spoken_by_hand(folder, "Here is the first.")
    assert spoken["cached"] is True and spoken["timings"] == {"join": {**spoken["timings"]["join"], "cached": 1}}
    text = "This was rendered by hand."
    by_hand = spoken_by_hand(folder, text)
    assert by_hand["cached"] is False
    answer = render(client, text)
    assert answer["cached"] is True and answer["mouth_cues"] == by_hand["mouth_cues"]
    assert check(client, answer, text)["wav"] == (folder / "out" / "audio.wav").read_bytes()


def spoken_by_hand(folder: Path, text: str) -> dict[str, Any]:
    """response.json of `avatar-serve render`."""
    done = run("render", text, "--out", str(folder / "out"), "--timing", "natural", folder=folder / "data")
    assert done.returncode == 0, done.stderr
    response: dict[str, Any] = json.loads((folder / "out" / "response.json").read_text())
    return response


def test_another_release_takes_no_old_cue_and_stops_without_its_supervisor(
    tmp_path: Path, servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "A new release may move the mouth in another way."
    old = spoken_by_hand(tmp_path, text)
    sound = (tmp_path / "out" / "audio.wav").read_bytes()
    release = other_release(tmp_path / "release")
    with monkeypatch.context() as patch:
        patch.chdir(release)
        server = started(servers, tmp_path, PYTHONPATH=str(release))
    with http(server.url) as client:
        new = render(client, text)
        assert new["cached"] is False and ran(new) == {"join": (1, 1), "tts": (1, 0), "lipsync": (1, 1)}
        assert check(client, new, text)["wav"] == sound
        assert loudest(new) < 0.6 < loudest(old)
        assert render(client, text, viseme_set="oculus")["cached"] is True
        entries(client)
    server.process.kill()  # the supervisor alone: the server sees it, and stops by itself
    server.process.wait(timeout=STOP_S)
    server.wait_until_gone()
    again = spoken_by_hand(tmp_path, text)
    assert again["cached"] is True and again["mouth_cues"] == old["mouth_cues"]


def other_release(folder: Path) -> Path:
    """A copy of this one, whose lip sync engine opens the mouth half as far and says that it is another version."""
    for name in ("serve_app", "deployments", "configs", "web"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    changes = {
        ENGINE: ('VERSION = "1"', 'VERSION = "1, half open"'),
        SHAPES: ("np.clip(weights, 0, 1).astype", "(np.clip(weights, 0, 1) / 2).astype"),
    }
    for path, (before, after) in changes.items():
        source = (folder / path).read_text(encoding="utf-8")
        assert source.count(before) == 1
        (folder / path).write_text(source.replace(before, after), encoding="utf-8")
    return folder


def loudest(answer: dict[str, Any]) -> float:
    """How far the mouth opens at most."""
    weights: list[float] = [cue["weight"] for cue in answer["mouth_cues"] if cue["viseme"] in {"AA", "EE", "OH", "OO"}]
    return max(weights)
