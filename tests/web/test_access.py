"""The API key on the page: asked for when the server wants one, kept, and sent with every request."""

import re

from playwright.sync_api import Page, expect

from .browser import wait_for_sound
from .jobs import KEY, LISTS, asks_for_key, button, enqueue, expect_state, row_of, unique_text


def test_key_is_asked_for_kept_and_sent(page: Page) -> None:
    page.route(re.compile(r"/v1/|/jobs\?"), asks_for_key)
    page.reload()
    expect(page.locator("#access")).to_have_attribute("open", "")
    expect(page.locator("#accessMessage")).to_have_text("This server needs an API key.")
    expect(page.locator("#errorMessage")).to_have_text("An API key is needed.")
    expect(page.locator("#errorHint")).to_contain_text("Access")
    expect(page.locator("#jobsNote")).to_contain_text("API key")
    page.fill("#apiKey", "with spaces in it")
    page.keyboard.press("Enter")
    expect(page.locator("#accessMessage")).to_contain_text("no spaces")
    page.fill("#apiKey", "another-key")
    page.keyboard.press("Enter")
    expect(page.locator("#accessMessage")).to_have_text("The server does not know this key.")
    page.fill("#apiKey", KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector("#voice optgroup", state="attached")
    expect(page.locator("#errorBox")).to_be_hidden()
    expect(page.locator("#jobsNote")).not_to_contain_text("API key")
    expect(page.locator("#apiKey")).to_have_value("")
    page.reload()  # kept for this tab
    job_id = enqueue(page, unique_text(1))
    expect_state(page, job_id, "Ready")
    button(row_of(page, job_id), "Play").click()
    wait_for_sound(page)
    page.click("#access summary")
    page.click("#forgetKey")
    expect(page.locator("#accessMessage")).to_have_text("This server needs an API key.")
    expect(page.locator(".job")).to_have_count(0)
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_remembered_key_is_there_in_another_tab(page: Page, server_url: str) -> None:
    page.click("#access summary")
    page.fill("#apiKey", KEY)
    page.check("#rememberKey")
    page.click("#accessForm button[type=submit]")
    expect(page.locator("#accessName")).to_have_text("with an API key")
    other = page.context.new_page()
    with other.expect_request(LISTS) as request:
        other.goto(server_url)
    assert request.value.headers["authorization"] == f"Bearer {KEY}"
