"""The studio page in a real browser against a real server: speaking, the form, the keyboard, errors."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from .browser import RENDER_TIMEOUT_MS, TEXT, open_page, speak, wait_for_sound

STILL_RUNNING = json.dumps(
    {
        "error": {
            "code": "timed_out",
            "message": "It goes on.",
            "hint": "Poll.",
            "render_id": "slow",
            "poll_url": "http://a-name-behind-a-proxy.invalid/v1/avatar/render/slow",
        }
    }
)
"""As serve_app/api/errors.py answers when a render takes longer than a client may wait."""


def test_speaks_to_the_end_without_console_errors(browser: Browser, server_url: str) -> None:
    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    open_page(page, server_url)
    render = speak(page, "Hello there.")
    page.wait_for_function("avatarStudio.state.ended", timeout=render["duration_ms"] + RENDER_TIMEOUT_MS)
    expect(page.locator("#status")).to_have_text("Done.")
    assert problems == []
    page.close()


def test_downloads_are_there(page: Page) -> None:
    speak(page)
    kinds = {"#linkOgg": "ogg", "#linkWav": "wav", "#linkVtt": "vtt", "#linkSrt": "srt"}
    for link, ending in kinds.items():
        address = page.locator(link).evaluate("node => node.href")
        assert address.endswith(ending)
        assert page.request.get(address).ok


def test_keyboard_alone_is_enough(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type(TEXT)
    page.keyboard.press("Control+Enter")
    wait_for_sound(page)
    for name in ("voice", "speed", "priority", "speak", "enqueue", "stop"):
        page.keyboard.press("Tab")
        if name == "speed" and page.evaluate("document.activeElement.id") == "speaker":
            page.keyboard.press("Tab")  # only voices with several speakers have this field
        expect(page.locator(f"#{name}")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_function("!avatarStudio.state.playing && avatarStudio.state.currentTime === 0")
    expect(page.locator("#status")).to_have_text("Stopped.")


def test_pause_holds_the_moment_and_play_goes_on(page: Page) -> None:
    speak(page)
    page.click("#play")
    held = page.evaluate("avatarStudio.state")
    assert held["held"]
    assert not held["playing"]
    page.click("#play")
    page.wait_for_function("t => avatarStudio.state.currentTime > t", arg=held["currentTime"])


def test_error_of_the_server_is_shown_with_its_hint(page: Page) -> None:
    page.evaluate("document.querySelector('#voice').append(new Option('unknown', 'xx_XX-nobody-low', true, true))")
    with page.expect_response("**/v1/avatar/render") as answer:
        page.click("#speak")
    error = answer.value.json()["error"]
    expect(page.locator("#errorBox")).to_be_visible()
    expect(page.locator("#errorMessage")).to_have_text(error["message"])
    expect(page.locator("#errorHint")).to_have_text(error["hint"])
    page.click("#errorClose")
    expect(page.locator("#errorBox")).to_be_hidden()


def test_unreachable_server_is_explained(page: Page) -> None:
    page.route("**/v1/avatar/render", lambda route: route.abort())
    page.click("#speak")
    expect(page.locator("#errorMessage")).to_have_text("The server cannot be reached.")
    expect(page.locator("#errorHint")).to_contain_text("avatar-serve is running")
    expect(page.locator("#speak")).to_have_attribute("aria-disabled", "false")


def test_render_that_takes_too_long_is_followed_as_a_job(page: Page) -> None:
    render = speak(page)
    page.evaluate("avatarStudio.seek(0)")
    page.route("**/v1/avatar/render", lambda route: route.fulfill(status=504, body=STILL_RUNNING))
    answers: Iterator[Callable[[Route], None]] = iter(
        [
            lambda route: route.fulfill(json={"status": "processing", "progress": 40}),
            lambda route: route.abort(),  # the server restarts
            lambda route: route.fulfill(status=404, body="Path '/v1/avatar/render/slow' not found."),
            lambda route: route.fulfill(json=render),
        ]
    )
    page.route("**/v1/avatar/render/slow", lambda route: next(answers)(route))
    page.click("#speak")
    wait_for_sound(page)


def test_empty_and_too_long_texts_are_refused_in_words(page: Page) -> None:
    page.fill("#text", "   ")
    page.click("#speak")
    expect(page.locator("#errorMessage")).to_contain_text("nothing to say")
    page.fill("#text", "\N{GRINNING FACE}" * 5001)  # two UTF-16 units each: the count is in characters
    expect(page.locator("#count")).to_have_text("5001 / 5000")
    page.click("#speak")
    expect(page.locator("#errorMessage")).to_contain_text("5000 is the limit")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_has_no_sideways_scroll(browser: Browser, server_url: str, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme, device_scale_factor=2)
    page = context.new_page()
    open_page(page, server_url)
    speak(page)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_voices_arrive_when_the_server_comes_back(browser: Browser, server_url: str) -> None:
    page = browser.new_page()
    page.route("**/v1/voices", lambda route: route.abort())
    page.goto(server_url)
    expect(page.locator("#errorMessage")).to_have_text("The server cannot be reached.")
    page.unroute("**/v1/voices")
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.wait_for_selector("#voice optgroup", state="attached")
    expect(page.locator("#errorBox")).to_be_hidden()
    page.close()


def test_stop_while_waiting_gives_up_the_render_and_cancels_its_job(page: Page) -> None:
    running = {"render_id": "slow", "status": "processing", "progress": 40}
    page.route("**/v1/avatar/render", lambda route: route.fulfill(status=504, body=STILL_RUNNING))
    page.route("**/v1/avatar/render/slow", lambda route: route.fulfill(json=running))
    page.route("**/jobs/slow/cancel", lambda route: route.fulfill(json={"status": "cancelled"}))
    page.click("#speak")
    expect(page.locator("#status")).to_contain_text("40 %")
    expect(page.locator("#speak")).to_have_attribute("aria-disabled", "true")
    with page.expect_request("**/jobs/slow/cancel") as request:
        page.click("#stop")
    assert request.value.method == "DELETE"
    expect(page.locator("#status")).to_have_text("Stopped.")
    expect(page.locator("#speak")).to_have_attribute("aria-disabled", "false")


def test_voices_to_download_show_their_command(page: Page) -> None:
    voices = page.request.get(page.url + "v1/voices").json()["voices"]
    missing = next(voice for voice in voices if not voice["installed"])
    page.click("#catalogue summary")
    page.fill("#filter", missing["voice_id"])
    expect(page.locator("#catalogueList code").first).to_have_text(missing["download"])
    installed = [voice["voice_id"] for voice in voices if voice["installed"]]
    offered = page.locator("#voice option").evaluate_all("nodes => nodes.map((node) => node.value)")
    assert sorted(offered) == sorted(installed)
