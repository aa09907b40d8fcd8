"""The user's own pictures in place of the drawn avatar."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .browser import colour_at_centre, data_url, longest, middle, png, seek, speak, speak_with_blink

RED, GREEN, BLUE = (200, 30, 40), (30, 160, 60), (40, 60, 200)


def test_pictures_from_a_folder_are_drawn(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for name, colour in {"lisa-REST.png": RED, "lisa-AA.png": GREEN, "lisa-OO.png": BLUE}.items():
        (folder / name).write_bytes(png(*colour))
    (folder / "notes.txt").write_text("not a picture")
    render = speak(page)
    page.set_input_files("#folder", folder)
    expect(page.locator("#lookName")).to_contain_text("3 visemes, basic names")
    for visemes, colour in {("PP",): RED, ("aa",): GREEN, ("U",): BLUE}.items():
        seek(page, middle(longest(render, *visemes)))
        assert colour_at_centre(page) == colour
    page.click("#look summary")
    page.click("#drawn")
    expect(page.locator("#lookName")).to_have_text("the drawn character")
    assert colour_at_centre(page) not in (RED, GREEN, BLUE)


def test_pictures_from_json_are_drawn_with_base_and_blink(page: Page, tmp_path: Path) -> None:
    sheet = {"visemes": {"sil": data_url(png(*RED)), "aa": data_url(png(*GREEN))}, "blink": data_url(png(*BLUE))}
    path = tmp_path / "sheet.json"
    path.write_text(json.dumps(sheet))
    blink = speak_with_blink(page)
    page.set_input_files("#json", path)
    expect(page.locator("#lookName")).to_contain_text("2 visemes, oculus names")
    seek(page, middle(longest(page.evaluate("avatarStudio.render"), "aa")))
    assert colour_at_centre(page) in (GREEN, BLUE)
    seek(page, blink["t_ms"] + blink["duration_ms"] * 0.4)
    assert colour_at_centre(page) == BLUE


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        "null",
        '{"AA": 3}',
        '{"AA": "javascript:alert(1)"}',
        '{"AA": "data:text/html,<b>"}',
        '{"zz": "x"}',
    ],
)
def test_unusable_picture_files_are_refused_in_words(page: Page, tmp_path: Path, content: str) -> None:
    path = tmp_path / "sheet.json"
    path.write_text(content)
    page.set_input_files("#json", path)
    expect(page.locator("#errorBox")).to_be_visible()
    expect(page.locator("#errorHint")).not_to_be_empty()
    expect(page.locator("#lookName")).to_have_text("the drawn character")
