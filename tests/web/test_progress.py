"""The reconnecting socket of the page alone, on lines and timers that the test works."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page


@pytest.fixture
def page(browser: Browser, server_url: str) -> Iterator[Page]:
    """A page without the studio: its own sockets would be in the way."""
    fresh = browser.new_page()
    fresh.goto(f"{server_url}/icon.svg")
    yield fresh
    fresh.close()


PROGRESS_SOCKET = """async () => {
    const sockets = [];
    const pauses = [];
    const timers = [];
    window.WebSocket = class extends EventTarget {
        constructor(url) { super(); this.url = url; this.closed = false; sockets.push(this); }
        say(data) { this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(data) })); }
        cut(code) { this.dispatchEvent(new CloseEvent("close", { code })); }
        close() { this.closed = true; }
    };
    window.setTimeout = (run, ms) => { timers.push({ run, ms }); return timers.length; };
    window.clearTimeout = (timer) => { if (timer) timers[timer - 1] = null; };
    Math.random = () => 1;
    const fire = (ms) => {
        const i = timers.findLastIndex((timer) => timer?.ms === ms);
        const { run } = timers[i];
        timers[i] = null;
        run();
    };
    const { ProgressSocket } = await import("/progress.js");
    const heard = [];
    let gone = 0;
    const hear = { event: (event) => heard.push(event.seq), link: () => {}, gone: () => { gone += 1; } };
    const event = (seq, status = "processing") => ({ seq, stage: "tts", status, progress: seq, message: "" });
    const progress = new ProgressSocket("job", 0, hear);
    const wait = () => timers.findLast((timer) => timer && timer.ms !== 35000).ms;
    %s
}"""


def progress_socket(page: Page, body: str) -> Any:
    """Runs a function body with a ProgressSocket on lines and timers that the body works."""
    return page.evaluate(PROGRESS_SOCKET % body)


def test_pauses_between_tries_grow_and_begin_anew_with_an_answer(page: Page) -> None:
    body = """
        for (let i = 0; i < 8; i += 1) { sockets.at(-1).cut(1006); pauses.push(wait()); fire(wait()); }
        sockets.at(-1).say({ type: "ping" });
        sockets.at(-1).cut(1006);
        return [...pauses, wait()];
    """
    pauses = progress_socket(page, body)
    assert all(after >= before for before, after in pairwise(pauses[:-1]))
    assert pauses[0] == pauses[-1] == 500
    assert pauses[-2] == 15_000


def test_nothing_is_told_twice_and_the_end_is_the_end(page: Page) -> None:
    body = """
        for (const seq of [1, 2, 2, 1, 3]) sockets[0].say(event(seq));
        sockets[0].cut(1012);
        fire(wait());
        for (const seq of [3, 4]) sockets[1].say(event(seq));
        sockets[0].say(event(5));
        sockets[1].say(event(5, "completed"));
        sockets[1].cut(1000);
        return [heard, sockets.map(({ url }) => new URL(url).search), sockets[1].closed, timers.filter(Boolean).length];
    """
    assert progress_socket(page, body) == [[1, 2, 3, 4, 5], ["", "?last_seq=3"], True, 0]


def test_silent_line_is_given_up_and_an_unknown_job_is_not_asked_for_again(page: Page) -> None:
    body = """
        sockets[0].say(event(1));
        fire(35000);
        const interrupted = progress.interrupted;
        fire(wait());
        sockets[1].cut(4404);
        return [sockets[0].closed, interrupted, progress.interrupted, gone, timers.filter(Boolean).length];
    """
    assert progress_socket(page, body) == [True, True, False, 1, 0]
