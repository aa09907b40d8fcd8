"""What the page draws at a moment of real speech, checked by its pixels."""

import pytest
from playwright.sync_api import Browser, Page, expect

from .browser import (
    COUNT_PIXELS,
    TEXT,
    count_pixels,
    cues_with_ends,
    longest,
    middle,
    open_page,
    seek,
    speak,
    speak_with_blink,
)


def test_lips_meet_in_every_closure(page: Page) -> None:
    closures = [cue for cue in cues_with_ends(speak(page)) if cue["viseme"] == "PP"]
    assert closures
    for cue in closures:
        for t_ms in (cue["t_ms"], middle(cue), cue["end_ms"] - 1):
            assert seek(page, t_ms)["mouth"]["open"] < 0.1
        seek(page, middle(cue))
        assert count_pixels(page, "mouthBox", "mouthInterior") == 0


def test_open_vowels_show_the_inside_of_the_mouth(page: Page) -> None:
    render = speak(page)
    shares: dict[str, float] = {}
    for name, visemes in {"open": ("aa",), "round": ("O",), "closed": ("PP",)}.items():
        seek(page, middle(longest(render, *visemes)))
        box = page.evaluate("avatarStudio.mouthBox")
        shares[name] = count_pixels(page, "mouthBox", "mouthInterior") / (box["width"] * box["height"])
    assert shares["closed"] == 0
    assert shares["open"] > 0.03
    assert shares["round"] > 0.03


def test_round_vowels_are_narrower_than_spread_ones(page: Page) -> None:
    render = speak(page)
    spread = seek(page, middle(longest(render, "I", "E")))["mouth"]
    rounded = seek(page, middle(longest(render, "O", "U")))["mouth"]
    assert rounded["width"] < spread["width"] - 0.15
    assert rounded["round"] > spread["round"] + 0.3


def test_f_bites_the_lower_lip(page: Page) -> None:
    bite = longest(speak(page), "FF")
    assert seek(page, middle(bite))["mouth"]["tuck"] == pytest.approx(1, abs=0.05)
    assert count_pixels(page, "mouthBox", "mouthInterior") < count_pixels(page, "mouthBox", "painted") * 0.005


def test_eyelids_shut_in_a_blink(page: Page) -> None:
    blink = speak_with_blink(page)
    seek(page, max(0, blink["t_ms"] - 1))
    open_eyes = count_pixels(page, "eyesBox", "eye")
    state = seek(page, blink["t_ms"] + blink["duration_ms"] * 0.4)
    assert state["eyelid"] == 1
    assert count_pixels(page, "eyesBox", "eye") < open_eyes * 0.25


def test_reduced_motion_keeps_the_idle_avatar_still(browser: Browser, server_url: str) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    open_page(page, server_url)
    before, after = page.evaluate(
        """async () => {
            const shot = () => document.getElementById("canvas").toDataURL();
            const before = shot();
            for (let i = 0; i < 20; i += 1) await new Promise(requestAnimationFrame);
            return [before, shot()];
        }"""
    )
    assert before == after
    context.close()


def test_caption_marks_the_word_being_spoken(page: Page) -> None:
    render = speak(page)
    for word in render["words"]:
        state = seek(page, (word["start_ms"] + word["end_ms"]) / 2)
        assert state["word"] == word["text"]
        marked = page.locator("#captions .now")
        expect(marked).to_have_text(TEXT[word["start_char"] : word["end_char"]])
    assert page.locator("#captions").text_content() == TEXT


def test_long_captions_scroll_to_the_word(page: Page) -> None:
    render = speak(page, " ".join([TEXT] * 4))
    seek(page, render["words"][-2]["start_ms"])
    box = page.locator("#captions").bounding_box()
    word = page.locator("#captions .now").bounding_box()
    assert box is not None
    assert word is not None
    assert box["y"] <= word["y"]
    assert word["y"] + word["height"] <= box["y"] + box["height"]


def test_timeline_is_painted_and_moves_the_speech(page: Page) -> None:
    render = speak(page)
    seek(page, 0)
    timeline = page.locator("#timeline")
    size = timeline.evaluate("node => ({ x: 0, y: 0, width: node.width, height: node.height })")
    painted = page.evaluate(COUNT_PIXELS, ["timeline", size, "painted"])
    assert painted > size["width"] * size["height"] * 0.3
    timeline.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("avatarStudio.state.currentTime === 100")
    page.keyboard.press("End")
    page.wait_for_function("avatarStudio.state.currentTime === avatarStudio.state.duration")
    page.keyboard.press("Home")
    page.wait_for_function("avatarStudio.state.currentTime === 0")
    timeline.click(position={"x": 200, "y": 50})
    page.wait_for_function("avatarStudio.state.currentTime > 0")
    assert page.evaluate("avatarStudio.state.currentTime") < render["duration_ms"]
