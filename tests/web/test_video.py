"""Chromium plays the videos: whole, while they grow, and through MediaSource."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from deployments.avatar.video import VideoFile
from deployments.core.types import AudioClip
from tests.recordings import tone

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FPS, FRAMES, WIDTH, HEIGHT = 25, 61, 192, 128
COLOURS = [(230, 40, 30), (20, 160, 90), (40, 60, 220), (205, 170, 140)]
"""RGB of the quarters: skin is the last."""
WHOLE, FRAGMENTED = "whole.mp4", "fragmented.mp4"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: nobody reads it."""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes], str]:
    """A folder with both files, the pieces of the second as they came, and the codecs."""
    folder = tmp_path_factory.mktemp("films")
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for index, colour in enumerate(COLOURS):
        frame[index // 2 * HEIGHT // 2 :, index % 2 * WIDTH // 2 :] = colour
    rate = 22_050
    sound = AudioClip(tone(FRAMES / FPS - 0.013, rate), rate)
    with VideoFile(WIDTH, HEIGHT, FPS, "medium", rate) as video:
        pieces = [video.append(frame[None], None if number else sound) for number in range(FRAMES)]
        finished = video.finish()
        (folder / WHOLE).write_bytes(finished.path.read_bytes())
    pieces = [piece for piece in [*pieces, finished.rest] if piece]
    (folder / FRAGMENTED).write_bytes(b"".join(pieces))
    for number, piece in enumerate(pieces):
        (folder / str(number)).write_bytes(piece)
    # RFC 6381: profile, constraints and level, which stand in the avcC box behind its version; AAC, low complexity.
    level = b"".join(pieces).split(b"avcC", 1)[1][1:4].hex().upper()
    return folder, pieces, f"avc1.{level},mp4a.40.2"


@pytest.fixture(scope="module")
def address(films: tuple[Path, list[bytes], str]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(films[0])))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def blank(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/")  # of the same origin, so that pixels may be read
    page.set_content("<video muted playsinline></video>")
    yield page
    context.close()


PLAYED = """async () => {
    const video = document.querySelector("video");
    await video.play();
    await new Promise((ended, failed) => { video.onended = ended; video.onerror = () => failed(video.error.message); });
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth, canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const at = (x, y) => [...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data.slice(0, 3)];
    return {
        duration: video.duration, end: video.currentTime, width: video.videoWidth, height: video.videoHeight,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
        colours: [at(0.25, 0.25), at(0.75, 0.25), at(0.25, 0.75), at(0.75, 0.75)],
    };
}"""

FED = """async ([mime, count]) => {
    const video = document.querySelector("video");
    const source = new MediaSource();
    video.src = URL.createObjectURL(source);
    await new Promise((opened) => { source.onsourceopen = opened; });
    const buffer = source.addSourceBuffer(mime);
    let firstFrame = null;
    for (let number = 0; number < count; number += 1) {
        const piece = await (await fetch(String(number))).arrayBuffer();
        await new Promise((done, failed) => {
            buffer.onupdateend = done; buffer.onerror = failed; buffer.appendBuffer(piece);
        });
        if (number === 0) firstFrame = [buffer.buffered.start(0), buffer.buffered.end(0)];
    }
    source.endOfStream();
    return { first: firstFrame, ranges: buffer.buffered.length };
}"""


def check(played: dict[str, Any]) -> None:
    """What came out of a whole play."""
    assert (played["width"], played["height"]) == (WIDTH, HEIGHT)
    assert played["duration"] == pytest.approx(FRAMES / FPS, abs=1 / FPS)
    assert played["end"] == pytest.approx(FRAMES / FPS, abs=1 / FPS)
    # Without a GPU, Chromium multiplies blue by 2 in place of 2.11 (libyuv's bytes hold no more); FFmpeg is exact.
    assert np.abs(np.subtract(played["colours"], COLOURS)).max() <= 9


@pytest.mark.parametrize("name", [WHOLE, FRAGMENTED])
def test_chromium_plays_a_file_to_its_end(blank: Page, name: str) -> None:
    blank.evaluate("(name) => { document.querySelector('video').src = name; }", name)
    check(blank.evaluate(PLAYED))


def test_chromium_plays_the_pieces_as_they_come(blank: Page, films: tuple[Path, list[bytes], str]) -> None:
    _, pieces, codecs = films
    mime = f'video/mp4; codecs="{codecs}"'
    assert blank.evaluate("(mime) => MediaSource.isTypeSupported(mime)", mime)
    fed = blank.evaluate(FED, [mime, len(pieces)])
    assert fed["ranges"] == 1 and fed["first"][0] == 0 and fed["first"][1] >= 0.1
    check(blank.evaluate(PLAYED))
