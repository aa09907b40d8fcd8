"""A browser for each module of page tests, a fresh page for each test. Without Playwright there are no page tests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]


# Not session-wide: while sync Playwright runs, no other test of the session could use asyncio.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    from .browser import launch

    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, server_url: str) -> Iterator[Page]:
    """A fresh page with its voices loaded, on a desktop-sized window."""
    from .browser import open_page

    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=server_url)
    fresh = context.new_page()
    open_page(fresh, server_url)
    yield fresh
    context.close()
