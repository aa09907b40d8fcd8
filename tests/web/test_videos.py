"""Videos on the page: a portrait chosen or sent, watched while it is made, and beside the avatar once it is there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from serve_app.settings import Settings
from tests.portraits import astronaut, coded, meadow

from .browser import RENDER_TIMEOUT_MS, count_pixels, longest, middle, open_page
from .jobs import LISTS, SOCKETS, WORK_TIMEOUT_MS, button, expect_state, lists, made_up, row_of, state_of, unique_text

TEXT = "Please bring me a map. My father found a bottle on the farm."
PHOTOGRAPH = coded(astronaut(), ".png")
VIDEOS = "**/generate/async"
SEE_MS = 30_000
"""For a picture to be sent and looked at, on a busy machine."""
OPTIONS = {
    "width": 720,
    "height": 1280,
    "fps": 50,
    "crop": "whole",
    "quality": "high",
    "background": "#336699",
    "captions": True,
}
MOVE = """(t) => {
    const video = document.getElementById("video");
    video.pause();
    video.currentTime = t / 1000;
}"""
IS_FINISHED = "document.getElementById('video').currentSrc.includes('/download/')"
IS_THERE = """(t) => {
    const { held, currentTime } = avatarStudio.state;
    return held && Math.abs(currentTime - t) < 2 && !document.getElementById("video").seeking;
}"""


@pytest.fixture
def studio(page: Page) -> Iterator[Page]:
    """A page that is asked for a video; what it leaves at work is cancelled."""
    page.check("#asVideo")
    expect(page.locator("#portraitList input").first).to_be_checked()
    yield page
    for job in page.request.get("/jobs?limit=200").json()["jobs"]:
        if job["status"] in {"pending", "processing"}:
            page.request.delete(f"/jobs/{job['job_id']}/cancel")


def choose(page: Page, content: bytes, name: str = "me.png") -> None:
    """Gives it a picture, as the dialog of the browser does, and waits until the server has looked at it."""
    page.set_input_files("#pictureFile", {"name": name, "mimeType": "image/png", "buffer": content})
    expect(page.locator("#portraitFacts")).to_contain_text(f"{name}: ", timeout=SEE_MS)


def make(page: Page, text: str = TEXT) -> str:
    """Hands a video in with the button; returns its job's ID."""
    page.fill("#text", text)
    with page.expect_response(VIDEOS) as answer:
        page.click("#speak")
    job_id: str = answer.value.json()["job_id"]
    return job_id


def wait_for_video(page: Page, job_id: str) -> dict[str, Any]:
    """The render, once the page has it."""
    page.wait_for_function("id => avatarStudio.render?.render_id === id", arg=job_id, timeout=WORK_TIMEOUT_MS)
    render: dict[str, Any] = page.evaluate("avatarStudio.render")
    return render


def move_video(page: Page, t_ms: float) -> dict[str, Any]:
    """Moves the finished video as its own controls do; the state of the page once it is there. In a stream Chromium
    sends whoever moves to its beginning, so this waits for the file that takes its place when it has played."""
    page.wait_for_function(IS_FINISHED, timeout=WORK_TIMEOUT_MS)
    page.evaluate(MOVE, t_ms)
    page.wait_for_function(IS_THERE, arg=t_ms, timeout=WORK_TIMEOUT_MS)
    state: dict[str, Any] = page.evaluate("avatarStudio.state")
    return state


def source(page: Page) -> str:
    """Path of what the video element shows."""
    path: str = page.evaluate("new URL(document.getElementById('video').currentSrc, location.href).pathname")
    return path


def test_a_portrait_talks_beside_the_avatar(studio: Page) -> None:
    job_id = make(studio)
    render = wait_for_video(studio, job_id)
    expect(studio.locator("#making")).to_be_hidden()
    vowel = move_video(studio, middle(longest(render, "aa", "O")))
    assert source(studio) == f"/download/{job_id}.mp4"
    assert vowel["viseme"] in {"aa", "O"}
    open_pixels = count_pixels(studio, "mouthBox", "mouthInterior")
    assert move_video(studio, middle(longest(render, "PP", "sil")))["viseme"] in {"PP", "sil"}
    assert open_pixels > 20 + 3 * count_pixels(studio, "mouthBox", "mouthInterior")
    size = studio.evaluate(
        "(({ videoWidth, videoHeight }) => [videoWidth, videoHeight])(document.getElementById('video'))"
    )
    assert size == [render["video"]["width"], render["video"]["height"]] == [512, 512]
    expect(studio.locator("#videoFacts")).to_contain_text(f"512 × 512 pixels, {render['video']['frames']} frames")
    expect(studio.locator("#videoFacts")).to_contain_text("picture and sound end")
    for address in (
        studio.locator("#linkMp4").evaluate("node => node.href"),
        studio.locator("#video").evaluate("node => node.poster"),
    ):
        assert studio.request.get(address).ok


def test_the_videos_own_controls_and_those_of_the_page_are_one(studio: Page) -> None:
    render = wait_for_video(studio, make(studio))
    word = render["words"][2]
    move_video(studio, word["start_ms"] + 1)
    expect(studio.locator("#captions .now")).to_have_text(word["text"].strip(".,"))
    expect(studio.locator("#play")).to_have_text("Play")
    studio.evaluate("document.getElementById('video').play()")
    expect(studio.locator("#play")).to_have_text("Pause")
    studio.wait_for_function(
        "t => avatarStudio.state.playing && avatarStudio.state.currentTime > t", arg=word["end_ms"]
    )
    apart = studio.evaluate("document.getElementById('video').currentTime * 1000 - avatarStudio.state.currentTime")
    assert abs(apart) < 250  # the clock may run on between two looks, and never further than this
    studio.click("#stop")
    studio.wait_for_function(
        "document.getElementById('video').paused && document.getElementById('video').currentTime === 0"
    )
    assert not studio.evaluate("avatarStudio.state.held")


class Curtain:
    """Keeps from a page that its video is finished, until it is lifted."""

    def __init__(self, page: Page) -> None:
        self._held: list[tuple[WebSocketRoute, str]] = []
        self._lifted = False
        page.route(LISTS, lists([]))
        page.route_web_socket(SOCKETS, self._through)

    def _through(self, route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_close(lambda _code, _reason: None)

        def forward(message: str | bytes) -> None:
            if not self._lifted and json.loads(message).get("status") == "completed":
                self._held.append((route, str(message)))
            else:
                route.send(message)

        server.on_message(forward)

    def lift(self) -> None:
        """Says it, at once or when it is so: the first seconds can be seen before the last are drawn."""
        self._lifted = True
        for route, message in self._held:
            route.send(message)


def test_it_is_watched_while_it_is_made(studio: Page) -> None:
    curtain = Curtain(studio)
    open_page(studio, studio.url)  # routes are for sockets of pages that are loaded after them
    studio.check("#asVideo")
    job_id = make(studio, unique_text(2))
    studio.wait_for_function("document.getElementById('video').currentTime > 0.2", timeout=WORK_TIMEOUT_MS)
    assert source(studio) == f"/stream/{job_id}.mp4"
    expect(studio.locator("#making")).to_be_visible()
    expect(studio.locator("#makingMessage")).to_contain_text("is drawn.")
    expect(studio.locator("#status")).to_contain_text("Making the video")
    curtain.lift()
    wait_for_video(studio, job_id)
    studio.wait_for_function("!avatarStudio.state.playing", timeout=RENDER_TIMEOUT_MS)
    studio.wait_for_function(IS_FINISHED, timeout=RENDER_TIMEOUT_MS)


def test_a_stream_that_breaks_off_ends_in_the_finished_file(studio: Page) -> None:
    studio.route("**/stream/*", lambda route: route.abort())
    job_id = make(studio, unique_text(2))
    wait_for_video(studio, job_id)
    studio.wait_for_function(
        "avatarStudio.state.playing && avatarStudio.state.currentTime > 100", timeout=RENDER_TIMEOUT_MS
    )
    assert source(studio) == f"/download/{job_id}.mp4"
    expect(studio.locator("#errorBox")).to_be_hidden()


def test_a_picture_of_ones_own_shows_its_face_and_talks(studio: Page) -> None:
    choose(studio, PHOTOGRAPH)
    expect(studio.locator("#portraitFacts")).to_contain_text("one face")
    expect(studio.locator("#faceBoxes .mark-face")).to_have_count(1)
    expect(studio.locator("#faceMarks .mark-line")).to_have_count(4)
    studio.fill("#text", TEXT)
    with studio.expect_response(VIDEOS) as answer:
        studio.click("#speak")
    job_id = answer.value.json()["job_id"]
    assert state_of(studio, job_id)["image_filename"].endswith(".png")
    wait_for_video(studio, job_id)
    expect_state(studio, job_id, "Ready")
    row = row_of(studio, job_id)
    expect(row.locator(".tag")).to_have_text("Video")
    assert studio.request.get(row.get_by_role("link").evaluate("node => node.href")).ok
    studio.click("#removePicture")
    expect(studio.locator("#faceView")).to_be_hidden()
    expect(studio.locator("#portraitList input").first).to_be_checked()


def test_a_picture_can_be_dropped(studio: Page) -> None:
    studio.evaluate(
        """(content) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
            const area = document.getElementById("portrait");
            for (const name of ["dragover", "drop"]) area.dispatchEvent(new DragEvent(name, { dataTransfer }));
        }""",
        base64.b64encode(PHOTOGRAPH).decode(),
    )
    expect(studio.locator("#portraitFacts")).to_contain_text("dropped.png: ", timeout=SEE_MS)
    expect(studio.locator("#portraitList input[value='own']")).to_be_checked()


def test_a_picture_without_a_face_is_refused_in_words(studio: Page) -> None:
    choose(studio, coded(meadow(), ".png"), "meadow.png")
    expect(studio.locator("#portraitFacts")).to_contain_text("no face")
    problem = studio.locator("#portraitProblem")
    expect(problem).not_to_be_empty()
    studio.click("#speak")
    expect(studio.locator("#errorMessage")).to_have_text("This picture cannot be made to talk.")
    expect(studio.locator("#errorHint")).to_have_text(problem.inner_text())
    expect(studio.locator("#choosePicture")).to_be_focused()
    studio.locator("#portraitList input").first.check()  # one that can
    expect(problem).to_be_hidden()


def test_a_recording_is_said_by_a_portrait(studio: Page) -> None:
    spoken = studio.request.post("/v1/avatar/render", data={"text": TEXT}).json()
    sound = studio.request.get(f"/audio/{spoken['render_id']}.wav").body()
    studio.check("#fromRecording")
    studio.set_input_files("#recordingFile", {"name": "me.wav", "mimeType": "audio/wav", "buffer": sound})
    expect(studio.locator("#recordingFacts")).to_contain_text("me.wav: ", timeout=SEE_MS)
    render = wait_for_video(studio, make(studio))
    assert render["audio_filename"].endswith(".wav") and render["voice"] is None
    assert render["video"]["frames"] == pytest.approx(render["duration_ms"] / 40, abs=1.5)
    expect(studio.locator("#facts")).to_contain_text("lips by ")


def test_what_is_no_picture_is_explained(studio: Page) -> None:
    page = b"<html>Sign in</html>"
    studio.set_input_files("#pictureFile", {"name": "page.png", "mimeType": "image/png", "buffer": page})
    expect(studio.locator("#errorBox")).to_be_visible(timeout=SEE_MS)
    expect(studio.locator("#errorHint")).not_to_be_empty()
    expect(studio.locator("#portraitList input").first).to_be_checked()


def test_a_picture_that_has_expired_is_sent_again(studio: Page, settings: Settings) -> None:
    choose(studio, PHOTOGRAPH, "late.png")
    for path in (settings.storage.data_dir / "uploads").iterdir():
        path.unlink()
    studio.fill("#text", unique_text(1))
    with studio.expect_response(
        lambda answer: answer.url.endswith("/generate/async") and answer.status == 202
    ) as answer:
        studio.click("#speak")
    wait_for_video(studio, answer.value.json()["job_id"])


def test_cancel_ends_it(studio: Page) -> None:
    job_id = make(studio, unique_text(60))
    expect(studio.locator("#making")).to_be_visible()
    studio.click("#cancelMaking")
    expect(studio.locator("#status")).to_have_text("The video was cancelled.")
    expect(studio.locator("#videoView")).to_be_hidden()
    expect(studio.locator("#speak")).to_be_focused()  # the button that was pressed has gone
    assert state_of(studio, job_id)["status"] == "cancelled"
    expect_state(studio, job_id, "Cancelled")


def test_a_video_that_fails_says_why(studio: Page) -> None:
    job_id = make(studio, "...")
    expect(studio.locator("#errorBox")).to_be_visible(timeout=WORK_TIMEOUT_MS)
    error = state_of(studio, job_id)["error"]
    expect(studio.locator("#errorMessage")).to_have_text(error["message"])
    expect(studio.locator("#errorHint")).to_have_text(error["hint"])
    expect(studio.locator("#making")).to_be_hidden()


def test_options_are_asked_for(studio: Page) -> None:
    studio.click("#videoOptions summary")
    studio.select_option("#videoSize", "720x1280")
    studio.select_option("#videoFps", "50")
    studio.select_option("#videoCrop", "whole")
    studio.select_option("#videoQuality", "high")
    studio.fill("#videoBackground", "#336699")
    studio.check("#videoCaptions")
    expect(studio.locator("#videoSummary")).to_have_text("720 × 1280, 50 fps")
    with studio.expect_request(VIDEOS) as request:
        job_id = make(studio, unique_text(60))  # the server takes them all
    asked = json.loads(request.value.post_data or "")
    assert asked | OPTIONS == asked
    studio.click("#cancelMaking")
    expect_state(studio, job_id, "Cancelled")


def test_the_keyboard_alone_chooses_and_queues(studio: Page) -> None:
    studio.focus("#portraitList input")
    studio.keyboard.press("ArrowRight")
    chosen = studio.locator("#portraitList :checked").get_attribute("value")
    assert chosen != studio.locator("#portraitList input").first.get_attribute("value")
    studio.fill("#text", unique_text(1))
    with studio.expect_response(VIDEOS) as answer:
        studio.keyboard.press("Control+Shift+Enter")
    job_id = answer.value.json()["job_id"]
    assert state_of(studio, job_id)["image_filename"] == chosen
    expect(studio.locator("#videoView")).to_be_hidden()  # only listed
    expect_state(studio, job_id, "Ready")
    button(row_of(studio, job_id), "Play").press("Enter")
    wait_for_video(studio, job_id)
    expect(studio.locator("#videoView")).to_be_visible()


def test_speech_takes_the_place_of_a_video(studio: Page) -> None:
    wait_for_video(studio, make(studio))
    studio.check("#asAvatar")
    studio.click("#speak")
    studio.wait_for_function(
        "avatarStudio.render && !avatarStudio.render.video && avatarStudio.state.playing", timeout=RENDER_TIMEOUT_MS
    )
    expect(studio.locator("#videoView")).to_be_hidden()
    expect(studio.locator("#linkMp4")).to_be_hidden()
    assert studio.evaluate(
        "document.getElementById('video').currentSrc === '' || document.getElementById('video').paused"
    )


def test_videos_are_told_from_speech_in_the_list(studio: Page) -> None:
    jobs = [made_up(2, image_filename="ada"), made_up(1)]
    studio.route(LISTS, lists(jobs))
    studio.evaluate("window.dispatchEvent(new Event('online'))")
    video, speech = (row_of(studio, job["job_id"]) for job in jobs)
    expect(video.locator(".tag")).to_be_visible()
    expect(video.get_by_role("link")).to_have_attribute("href", f"download/{jobs[0]['job_id']}.mp4")
    expect(speech.locator(".tag")).to_be_hidden()
    expect(speech.get_by_role("link")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_has_no_sideways_scroll(browser: Browser, server_url: str, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme, base_url=server_url)
    page = context.new_page()
    open_page(page, server_url)
    page.check("#asVideo")
    choose(page, PHOTOGRAPH, f"{'a very long name ' * 5}.png")
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    page.select_option("#videoSize", "1280x720")
    wait_for_video(page, make(page, "Hello."))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
