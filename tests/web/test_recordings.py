"""A recording on the page: chosen, dropped or from the microphone, sent, and played with moving lips."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from serve_app.settings import Settings

from .browser import RENDER_TIMEOUT_MS, TEXT, count_pixels, longest, middle, open_page, seek, wait_for_sound


@pytest.fixture(scope="module")
def spoken(server_url: str) -> bytes:
    """A WAV file of somebody who says TEXT."""
    with httpx.Client(base_url=server_url, timeout=60, trust_env=False) as client:
        render = client.post("/v1/avatar/render", json={"text": TEXT}).json()
        return client.get(f"/audio/{render['render_id']}.wav").content


@pytest.fixture
def recorded(page: Page) -> Iterator[Page]:
    """A page that is asked for a recording."""
    page.check("#fromRecording")
    yield page


def choose(page: Page, content: bytes, name: str = "me.wav") -> None:
    """Gives it a file, as the dialog of the browser does."""
    page.set_input_files("#recordingFile", {"name": name, "mimeType": "audio/wav", "buffer": content})


def animate(page: Page) -> dict[str, Any]:
    """The render, once its sound is running."""
    expect(page.locator("#removeRecording")).to_be_visible(timeout=RENDER_TIMEOUT_MS)
    expect(page.locator("#sending")).to_be_hidden(timeout=RENDER_TIMEOUT_MS)
    page.click("#speak")
    return wait_for_sound(page)


def check_mouth(page: Page, render: dict[str, Any]) -> None:
    """Open in the longest open vowel, closed in the longest closure: as drawn."""
    seek(page, middle(longest(render, "aa", "O")))
    open_pixels = count_pixels(page, "mouthBox", "mouthInterior")
    state = seek(page, middle(longest(render, "PP", "sil")))
    assert state["viseme"] in {"PP", "sil"}
    assert open_pixels > 20 + 3 * count_pixels(page, "mouthBox", "mouthInterior")


def test_a_file_with_its_text_plays_with_moving_lips_and_captions(recorded: Page, spoken: bytes) -> None:
    choose(recorded, spoken)
    expect(recorded.locator("#recordingFacts")).to_contain_text("me.wav: ", timeout=RENDER_TIMEOUT_MS)
    expect(recorded.locator("#recordingFacts")).to_contain_text("WAV, 22.05 kHz, mono")
    recorded.fill("#text", TEXT)
    render = animate(recorded)
    assert render["audio_filename"].endswith(".wav") and render["voice"] is None
    assert render["lipsync"]["engine"] == "align" and render["text"] == TEXT
    assert len(render["words"]) >= 20
    expect(recorded.locator("#captions")).to_contain_text("Please bring me")
    expect(recorded.locator("#facts")).to_contain_text("lips by ")
    word = render["words"][5]
    assert seek(recorded, (word["start_ms"] + word["end_ms"]) / 2)["word"] is not None
    check_mouth(recorded, render)


def test_without_its_text_what_is_recognised_is_shown(recorded: Page, spoken: bytes) -> None:
    choose(recorded, spoken)
    render = animate(recorded)
    assert render["lipsync"]["engine"] == "recognize"
    expect(recorded.locator("#captions")).to_have_text(render["text"])
    said = {word.strip(".,").lower() for word in TEXT.split()}
    assert len(said & set(render["text"].split())) >= 3  # 5 to 15 of 21 are heard: the voice never speaks twice alike
    check_mouth(recorded, render)


def test_a_file_can_be_dropped(recorded: Page, spoken: bytes) -> None:
    recorded.evaluate(
        """(content) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], "dropped.wav"));
            const area = document.getElementById("recording");
            for (const name of ["dragover", "drop"]) area.dispatchEvent(new DragEvent(name, { dataTransfer }));
        }""",
        base64.b64encode(spoken).decode(),
    )
    expect(recorded.locator("#recordingFacts")).to_contain_text("dropped.wav: ", timeout=RENDER_TIMEOUT_MS)


def test_what_is_no_recording_is_explained(recorded: Page) -> None:
    choose(recorded, b"<html>Sign in</html>")
    expect(recorded.locator("#errorMessage")).to_contain_text("HTML", timeout=RENDER_TIMEOUT_MS)
    expect(recorded.locator("#errorHint")).to_contain_text("Send WAV")
    recorded.click("#speak")
    expect(recorded.locator("#errorMessage")).to_contain_text("no recording yet")
    expect(recorded.locator("#chooseRecording")).to_be_focused()


def test_an_upload_that_has_expired_is_sent_again(recorded: Page, spoken: bytes, settings: Settings) -> None:
    choose(recorded, spoken, "late.wav")
    expect(recorded.locator("#recordingFacts")).to_contain_text("late.wav: ", timeout=RENDER_TIMEOUT_MS)
    for path in (settings.storage.data_dir / "uploads").iterdir():
        path.unlink()
    recorded.fill("#text", "Somebody else's words, so that no answer is known.")
    assert animate(recorded)["duration_ms"] > 1000


def test_a_voice_speaks_again_after_a_recording(recorded: Page, spoken: bytes) -> None:
    choose(recorded, spoken)
    animate(recorded)
    recorded.check("#fromVoice")
    expect(recorded.locator("#voice")).to_be_visible()
    recorded.fill("#text", "Now I speak.")
    recorded.click("#speak")
    recorded.wait_for_function("avatarStudio.render.text === 'Now I speak.'", timeout=RENDER_TIMEOUT_MS)
    assert recorded.evaluate("avatarStudio.render.voice.voice_id")


def test_the_microphone_is_recorded_with_its_level(browser: Browser, server_url: str) -> None:
    context = browser.new_context(permissions=["microphone"])  # of the browser's own device, which beeps
    page = context.new_page()
    open_page(page, server_url)
    page.check("#fromRecording")
    page.click("#record")
    expect(page.locator("#record")).to_have_text("Stop recording")
    page.wait_for_function("Number(document.getElementById('level').style.getPropertyValue('--level')) > 0.2")
    expect(page.locator("#recordingFacts")).to_contain_text("Recording, 2 s")
    page.click("#record")
    expect(page.locator("#recordingFacts")).to_contain_text("microphone: ", timeout=RENDER_TIMEOUT_MS)
    render = animate(page)
    assert render["duration_ms"] > 1500
    context.close()


def test_who_asks_twice_for_the_microphone_has_it_once(browser: Browser, server_url: str) -> None:
    """A recorder that nobody stops would listen on."""
    context = browser.new_context(permissions=["microphone"])
    page = context.new_page()
    open_page(page, server_url)
    page.check("#fromRecording")
    page.evaluate(
        """() => {
            const { mediaDevices } = navigator;
            const ask = mediaDevices.getUserMedia.bind(mediaDevices);
            window.asked = [];
            mediaDevices.getUserMedia = (wanted) => {
                window.asked.push(ask(wanted));
                return window.asked.at(-1);
            };
            for (const _ of [1, 2]) document.getElementById("record").click();
        }"""
    )
    expect(page.locator("#record")).to_have_text("Stop recording")
    page.click("#record")
    expect(page.locator("#recordingFacts")).to_contain_text("microphone: ", timeout=RENDER_TIMEOUT_MS)
    tracks = page.evaluate(
        "Promise.all(asked).then((all) => all.flatMap((each) => each.getTracks().map((track) => track.readyState)))"
    )
    assert tracks == ["ended"]
    context.close()


def test_a_microphone_that_may_not_be_used_is_explained(browser: Browser, server_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    open_page(page, server_url)
    page.check("#fromRecording")
    page.click("#record")
    expect(page.locator("#errorMessage")).to_have_text("The microphone may not be used.")
    expect(page.locator("#errorHint")).to_contain_text("address bar")
    expect(page.locator("#record")).to_have_text("Record")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_has_no_sideways_scroll(browser: Browser, server_url: str, spoken: bytes, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme, device_scale_factor=2)
    page = context.new_page()
    open_page(page, server_url)
    page.check("#fromRecording")
    choose(page, spoken, f"{'a very long name ' * 5}.wav")
    animate(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
