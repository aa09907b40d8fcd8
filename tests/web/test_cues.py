"""The page's pure functions (cues, visemes, clock), run in the browser that will run them for users."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

CUES = """[
    {t_ms: 0, viseme: "sil", weight: 1}, {t_ms: 100, viseme: "aa", weight: 1}, {t_ms: 220, viseme: "PP", weight: 1},
    {t_ms: 270, viseme: "O", weight: 0.9}, {t_ms: 400, viseme: "sil", weight: 1},
]"""


@pytest.fixture(scope="module")
def page(browser: Browser, server_url: str) -> Iterator[Page]:
    """One page for all: the functions keep no state."""
    fresh = browser.new_page()
    fresh.goto(server_url)
    yield fresh
    fresh.close()


def run(page: Page, module: str, body: str) -> Any:
    """Runs a function body with the module's exports in scope as `m`."""
    return page.evaluate(f"async () => {{ const m = await import('/{module}'); {body} }}")


def test_mouth_moves_smoothly_and_reaches_each_shape(page: Page) -> None:
    body = f"""
        const spans = m.buildSpans({CUES}, "oculus", 500);
        return Array.from({{ length: 500 }}, (_, t) => m.poseAt(spans, t).open);
    """
    opening = run(page, "cues.js", body)
    steps = [abs(after - before) for before, after in pairwise(opening)]
    assert max(steps) < 0.05  # in a millisecond: the widest change takes about 60
    assert opening[160] == pytest.approx(1, abs=0.01)
    assert opening[450] == 0
    assert max(opening[220:270]) < 0.001


@pytest.mark.parametrize(("viseme", "field"), [("PP", "press"), ("FF", "tuck")])
def test_a_contact_of_one_frame_is_still_made(page: Page, viseme: str, field: str) -> None:
    cues = f"""[
        {{t_ms: 0, viseme: "aa", weight: 1}}, {{t_ms: 200, viseme: "{viseme}", weight: 0.3}},
        {{t_ms: 240, viseme: "aa", weight: 1}},
    ]"""
    pose = run(page, "cues.js", f"return m.poseAt(m.buildSpans({cues}, 'oculus', 500), 220);")
    assert pose[field] == 1
    assert pose["open"] < 0.16


def test_weight_scales_the_opening_but_not_a_closure(page: Page) -> None:
    weak, strong, closed = run(
        page, "visemes.js", "return [['aa', 0.4], ['aa', 1], ['PP', 0.1]].map(([v, w]) => m.poseOf('oculus', v, w));"
    )
    assert 0.3 < weak["open"] < strong["open"]
    assert closed["open"] == 0
    assert closed["press"] == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["REST", "AA", "EE", "OH", "OO", "FF", "TH"], "basic"),
        (["sil", "PP", "aa", "E", "O"], "oculus"),
        (["A", "B", "C", "D", "E", "F", "G", "H", "X"], "rhubarb"),
        (["0", "1", "21"], "azure"),
    ],
)
def test_viseme_set_is_known_by_its_names(page: Page, names: list[str], expected: str) -> None:
    assert run(page, "visemes.js", f"return m.guessSet({names});") == expected


def test_every_set_has_all_its_visemes(page: Page) -> None:
    sizes = run(page, "visemes.js", "return Object.entries(m.VISEME_SETS).map(([k, v]) => [k, Object.keys(v).length]);")
    assert dict(sizes) == {"oculus": 15, "basic": 7, "rhubarb": 9, "azure": 22}


def test_blink_opens_shuts_and_opens(page: Page) -> None:
    events = "[{t_ms: 1000, event_type: 'blink', duration_ms: 200, direction: null}]"
    lids = run(page, "cues.js", f"return [900, 1000, 1030, 1080, 1150, 1200].map(t => m.lidAt({events}, t));")
    assert lids[0] == lids[1] == lids[5] == 0
    assert lids[3] == 1
    assert 0 < lids[2] < 1
    assert 0 < lids[4] < 1


@pytest.mark.parametrize(
    ("direction", "axis", "sign"), [("left", "x", -1), ("right", "x", 1), ("up", "y", -1), ("down", "y", 1)]
)
def test_saccade_looks_away_and_returns(page: Page, direction: str, axis: str, sign: int) -> None:
    events = f"[{{t_ms: 500, event_type: 'saccade', duration_ms: 300, direction: '{direction}'}}]"
    before, during, after = run(page, "cues.js", f"return [499, 650, 801].map(t => m.gazeAt({events}, t));")
    assert before == after == {"x": 0, "y": 0}
    assert during[axis] == sign


def test_word_is_none_in_a_pause(page: Page) -> None:
    words = "[{start_ms: 0, end_ms: 200}, {start_ms: 400, end_ms: 600}]"
    assert run(page, "cues.js", f"return [0, 199, 300, 400, 600].map(t => m.wordAt({words}, t));") == [0, 0, -1, 1, -1]


def test_clock_runs_on_between_coarse_updates_and_never_back(page: Page) -> None:
    body = """
        const clock = new m.SteadyClock();
        const read = ([coarse, now]) => clock.read(coarse, now, 1);
        return [[0, 0], [0, 16], [0, 32], [30, 48], [30, 64], [62, 80]].map(read);
    """
    times = run(page, "player.js", body)
    assert times == sorted(times)
    assert times[1] == 16
    assert times[-1] == pytest.approx(62, abs=20)


def test_clock_waits_for_a_stalled_stream_and_follows_a_jump(page: Page) -> None:
    body = """
        const clock = new m.SteadyClock();
        return [[1000, 0], [1000, 5000], [300, 5016]].map(([coarse, now]) => clock.read(coarse, now, 1));
    """
    start, stalled, jumped = run(page, "player.js", body)
    assert start == 1000
    assert stalled == 1250
    assert jumped == 300


def test_missing_sprite_falls_back_to_the_mouth_most_alike(page: Page) -> None:
    body = """
        const sheet = { set: "basic", images: new Map(["REST", "AA", "OO"].map((name) => [name, null])) };
        return ["PP", "sil", "aa", "O", "U"].map((viseme) => m.pickSprite(sheet, "oculus", viseme, 1));
    """
    picked = run(page, "sprites.js", body)
    assert picked[:3] == ["REST", "REST", "AA"]
    assert picked[4] == "OO"
    assert picked[3] in {"AA", "OO"}
