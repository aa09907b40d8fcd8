"""Characters on the page: chosen like voices, and the mouth moves with them."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from .browser import open_page, speak


def test_a_character_of_ones_own_is_chosen_and_speaks(page: Page, server_url: str, ara: Path) -> None:
    """Text -> Piper -> RVC with random weights -> lip sync -> page."""
    open_page(page, server_url)  # installed since the page was opened
    group = page.locator("#voice optgroup[label='Characters']")
    expect(group.locator("option")).to_have_text(
        [
            "Ara (Ara.pth on en_US-joe-medium)",
            "joe-bright (effect on en_US-joe-medium)",
            "joe-deep (effect on en_US-joe-medium)",
        ]
    )
    page.select_option("#voice", "Ara")
    render = speak(page, "Please bring me a map of the farm.")
    assert render["voice"]["voice_id"] == "Ara" and render["engines"]["rvc"] == "rvc"
    page.wait_for_function("avatarStudio.state.ended", timeout=render["duration_ms"] + 60_000)


def test_one_that_lacks_something_is_not_offered(page: Page, server_url: str, ara: Path) -> None:
    (ara / "Ara.pth").rename(ara / "away")
    try:
        open_page(page, server_url)
        expect(page.locator("#voice option[value='Ara']")).to_have_count(0)
    finally:
        (ara / "away").rename(ara / "Ara.pth")
