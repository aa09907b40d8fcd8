"""The list of jobs in a real browser against a real server: progress, cancelling, playing, cut lines, keys."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from .browser import open_page, wait_for_sound
from .jobs import (
    LISTS,
    SOCKETS,
    WORK_TIMEOUT_MS,
    button,
    enqueue,
    expect_state,
    lists,
    made_up,
    row_of,
    seq_of,
    state_of,
    unique_text,
    wait_for_progress,
)

# Notes every value that a bar has had, by job; null while it is not known how far the job is.
WATCH_BARS = """() => {
    window.bars = {};
    const look = () => {
        for (const row of document.querySelectorAll(".job")) {
            const bar = row.querySelector("progress");
            const seen = (window.bars[row.dataset.job] ??= []);
            if (bar.hasAttribute("value") && seen.at(-1) !== bar.value) seen.push(bar.value);
        }
        requestAnimationFrame(look);
    };
    look();
}"""


@pytest.fixture(autouse=True)
def no_jobs_left(page: Page) -> Iterator[None]:
    """Cancels what a test leaves behind: the next one shall have the server for itself."""
    yield
    for job in page.request.get("/jobs?limit=200").json()["jobs"]:
        if job["status"] in {"pending", "processing"}:
            page.request.delete(f"/jobs/{job['job_id']}/cancel")


def test_queued_jobs_move_complete_and_play(page: Page) -> None:
    page.evaluate(WATCH_BARS)
    texts = [unique_text(8), unique_text(8)]
    ids = [enqueue(page, text) for text in texts]
    for job_id in ids:
        expect_state(page, job_id, "Ready")
        values = page.evaluate("id => window.bars[id]", job_id)
        assert values == sorted(values)
        assert any(0 < value < 100 for value in values)
        expect(row_of(page, job_id).locator("progress")).to_be_hidden()
        expect(row_of(page, job_id)).to_contain_text(texts[ids.index(job_id)][:60])
        expect(row_of(page, job_id)).to_contain_text("Made in")
    button(row_of(page, ids[0]), "Play").click()
    assert wait_for_sound(page)["render_id"] == ids[0]
    expect(page.locator("#captions")).to_have_text(texts[0])  # the list has only its beginning
    page.evaluate("avatarStudio.seek(avatarStudio.render.words.at(-1).start_ms + 1)")
    expect(page.locator("#captions .now")).to_have_text("good")


def test_cancel_ends_a_job_at_work(page: Page) -> None:
    job_id = enqueue(page, unique_text(60))
    expect_state(page, job_id, "Working")
    button(row_of(page, job_id), "Cancel").click()
    expect_state(page, job_id, "Cancelled")
    expect(button(row_of(page, job_id), "Cancel")).to_have_count(0)
    expect(page.locator("#jobsNote")).to_contain_text("is cancelled")
    assert state_of(page, job_id)["status"] == "cancelled"


def test_cut_sockets_go_on_where_they_were(page: Page) -> None:
    addresses: list[str] = []
    told: list[int] = []

    def cut_the_first_two(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        addresses.append(route.url)
        cut_at = {1: 3, 2: 6}.get(len(addresses))
        is_cut = False

        def forward(message: str | bytes) -> None:
            nonlocal is_cut
            if is_cut:
                return  # what was on its way is lost
            seq = json.loads(message).get("seq")  # a heartbeat has none
            told.extend([seq] if seq else [])
            route.send(message)
            if seq == cut_at:
                is_cut = True
                route.close(code=1012)
                server.close()

        server.on_message(forward)

    page.route_web_socket(SOCKETS, cut_the_first_two)
    open_page(page, page.url)  # routes are for sockets of pages that are loaded after them
    job_id = enqueue(page, unique_text(12))
    wait_for_progress(page, job_id, 60)
    expect_state(page, job_id, "Ready")
    assert told == list(range(1, len(told) + 1))
    assert seq_of(page, job_id) == told[-1]
    assert [address.partition("?")[2] for address in addresses] == ["", "last_seq=3", "last_seq=6"]
    assert all(job_id in address for address in addresses)


def test_server_that_is_away_for_a_while(page: Page) -> None:
    away = False
    lines: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        if away:
            route.close(code=1012)
            return
        lines.append(route)
        route.connect_to_server()

    page.route_web_socket(SOCKETS, through)
    open_page(page, page.url)
    job_id = enqueue(page, unique_text(30))
    wait_for_progress(page, job_id, 1)
    away = True
    for line in lines:
        line.close(code=1012)
    expect(page.locator("#jobsNote")).to_contain_text("Reconnecting")
    page.route(LISTS, lambda route: route.abort())
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#jobsNote")).to_contain_text("cannot be reached")
    expect_state(page, job_id, "Working")
    away = False
    page.unroute(LISTS)
    expect(page.locator("#jobsNote")).not_to_contain_text("Trying again", timeout=WORK_TIMEOUT_MS)
    expect(page.locator("#jobsNote")).not_to_contain_text("Reconnecting", timeout=WORK_TIMEOUT_MS)
    expect_state(page, job_id, "Ready")


def test_reload_shows_the_jobs_again(page: Page) -> None:
    job_id = enqueue(page, unique_text(40))
    wait_for_progress(page, job_id, 5)
    page.reload()
    expect(row_of(page, job_id)).to_be_visible()
    wait_for_progress(page, job_id, 15)
    expect(button(row_of(page, job_id), "Cancel")).to_be_visible()


def test_jobs_of_others_appear_by_themselves(page: Page) -> None:
    text = unique_text(1)
    job_id = page.request.post("/v1/avatar/render_async", data={"text": text}).json()["job_id"]
    expect(row_of(page, job_id)).to_contain_text(text[:60], timeout=WORK_TIMEOUT_MS)
    expect_state(page, job_id, "Ready")


def test_failed_job_says_why_and_what_to_do(page: Page) -> None:
    job_id = enqueue(page, "...")
    expect_state(page, job_id, "Failed")
    error = state_of(page, job_id)["error"]
    assert error["code"] == "nothing_to_speak"
    expect(row_of(page, job_id)).to_contain_text(f"{error['message']} {error['hint']}")
    expect(row_of(page, job_id).get_by_role("button")).to_have_count(0)


def test_priority_is_asked_for_and_shown(page: Page) -> None:
    page.select_option("#priority", "low")
    low = enqueue(page, unique_text(1))
    page.select_option("#priority", "")
    usual = enqueue(page, unique_text(1))
    expect(row_of(page, low)).to_contain_text("low priority")
    expect(row_of(page, usual)).to_contain_text("normal priority")
    assert state_of(page, low)["priority"] == "low"


def test_keyboard_alone_queues_cancels_and_plays(page: Page) -> None:
    page.focus("#text")
    page.keyboard.press("Control+a")
    page.keyboard.type(unique_text(1))
    with page.expect_response("**/v1/avatar/render_async") as answer:
        page.keyboard.press("Control+Shift+Enter")
    short = answer.value.json()["job_id"]
    expect_state(page, short, "Ready")
    page.fill("#text", unique_text(60))
    page.focus("#speak")
    page.keyboard.press("Tab")
    with page.expect_response("**/v1/avatar/render_async") as answer:
        page.keyboard.press("Enter")
    long = answer.value.json()["job_id"]
    cancel = button(row_of(page, long), "Cancel")
    expect(cancel).to_be_visible()
    tab_to(page, long)
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect_state(page, long, "Cancelled")
    expect(row_of(page, long)).to_be_focused()  # its button has gone
    page.keyboard.press("Tab")
    expect(button(row_of(page, short), "Play")).to_be_focused()
    page.keyboard.press("Enter")
    assert wait_for_sound(page)["render_id"] == short


def tab_to(page: Page, job_id: str) -> None:
    """Presses Tab until the focus is in the row of a job."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.job')?.dataset.job") == job_id:
            return
    raise AssertionError("Tab does not lead to the job")


def test_focus_goes_from_cancel_to_play(page: Page) -> None:
    jobs = [made_up(1, status="processing", progress=40)]
    page.route(LISTS, lists(jobs))
    page.evaluate("window.dispatchEvent(new Event('online'))")
    row = row_of(page, jobs[0]["job_id"])
    button(row, "Cancel").focus()
    jobs[0] = made_up(1)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(button(row, "Play")).to_be_focused()


def test_more_shows_the_older_ones(page: Page) -> None:
    page.route(LISTS, lists([made_up(number) for number in range(45, 0, -1)]))
    page.reload()
    rows = page.locator(".job")
    expect(rows).to_have_count(20)
    page.click("#moreJobs")
    expect(rows).to_have_count(40)
    page.focus("#moreJobs")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(45)
    expect(page.locator("#moreJobs")).to_be_hidden()
    expect(rows.nth(40)).to_be_focused()
    assert rows.locator(".job-text").all_text_contents() == [f"Text {number}." for number in range(45, 0, -1)]


def test_jobs_at_work_are_shown_however_long_the_queue_is(page: Page) -> None:
    waiting = [made_up(number, status="pending") for number in range(60, 30, -1)]
    working = made_up(30, status="processing", progress=50)
    page.route(LISTS, lists([*waiting, working, *(made_up(number) for number in range(29, 0, -1))]))
    page.route("**/jobs/*", lambda route: route.fulfill(json={**waiting[-1], "queue_position": 1}))
    page.reload()
    expect(row_of(page, working["job_id"]).locator("progress")).to_have_attribute("value", "50")
    expect(row_of(page, waiting[-1]["job_id"])).to_contain_text("Number 1 in the queue.")


def test_at_most_eight_sockets_are_open(page: Page) -> None:
    lines: list[str] = []
    page.route_web_socket(SOCKETS, lambda route: lines.append(route.url))  # never answered
    jobs = [made_up(number, status="pending") for number in range(12, 1, -1)]
    page.route(LISTS, lists([*jobs, made_up(1, status="processing")]))
    page.reload()
    expect(page.locator(".job")).to_have_count(12)
    page.wait_for_function("avatarStudio.jobs.length === 12")
    assert sorted(int(line[-32:], 16) for line in lines) == list(range(1, 9))  # at work, then the oldest


def test_nobody_is_asked_while_the_page_is_hidden(browser: Browser, server_url: str) -> None:
    page = browser.new_page()
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/jobs?" in request.url else None)
    open_page(page, server_url)

    def times_asked() -> int:
        asked.clear()
        for _ in range(6):
            page.clock.fast_forward(10_000)
            page.request.get(server_url + "/health")  # gives answers time to come
        return len(asked)

    assert times_asked() >= 3
    hide = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"
    page.evaluate(f"{hide}; document.dispatchEvent(new Event('visibilitychange'))")
    page.request.get(server_url + "/health")
    assert times_asked() <= 1  # one may have been on its way
    assert times_asked() == 0
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_fits_on_a_phone(browser: Browser, server_url: str, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    endless = "<b>" + "x" * 77
    states = ["pending", "processing", "completed", "failed", "cancelled"]
    jobs = [made_up(number, status=status, text=endless) for number, status in enumerate(states)]
    page.route(LISTS, lists(jobs))
    open_page(page, server_url)
    expect(page.locator(".badge")).to_have_text(["Waiting", "Working", "Ready", "Failed", "Cancelled"])
    expect(page.locator(".job-text").first).to_have_text(endless)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
