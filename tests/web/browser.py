"""What the page tests share: starting the browser, making the page speak, reading pixels."""

import base64
import os
import shutil
import struct
import zlib
from typing import Any

from playwright.sync_api import Browser, Page, Playwright

# Every family of visemes that the tests look for: closed lips (p, b, m), open and round vowels, bitten lip (f).
TEXT = (
    "Please bring me a bottle of warm milk before bedtime. My father found a map of the farm, and nobody ever saw it."
)

# Root in a container has no sandbox; sound may start without a click; nothing may call home.
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]

# Generous, for a first render on a busy machine; a wait ends as soon as its condition holds.
RENDER_TIMEOUT_MS = 60_000

# Counts pixels of a canvas box for which a test on (r, g, b) holds.
COUNT_PIXELS = """([canvasId, box, kind]) => {
    const tests = {
        mouthInterior: (r, g, b) => r < 105 && g < 30 && b < 45,
        eye: (r, g, b) => (r > 225 && g > 220 && b > 215) || (g > r + 20 && b > r + 10),
        painted: (r, g, b, a) => a > 0,
    };
    const context = document.getElementById(canvasId).getContext("2d");
    const { data } = context.getImageData(box.x, box.y, box.width, box.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (tests[kind](...data.slice(i, i + 4))) count += 1;
    return count;
}"""


def launch(playwright: Playwright) -> Browser:
    """Starts the system's Chromium, or the one named by AVATAR_CHROMIUM, or Playwright's own."""
    executable = os.environ.get("AVATAR_CHROMIUM") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)


def open_page(page: Page, url: str) -> None:
    """Loads the page and waits until the voices are there."""
    page.goto(url)
    page.wait_for_function("window.avatarStudio && document.querySelector('#voice optgroup')")


def speak(page: Page, text: str = TEXT) -> dict[str, Any]:
    """Has the page speak; returns the render once sound is running."""
    page.fill("#text", text)
    page.click("#speak")
    return wait_for_sound(page)


def wait_for_sound(page: Page) -> dict[str, Any]:
    """Waits until the clock of the speech moves; returns the render."""
    page.wait_for_function(
        "avatarStudio.render && avatarStudio.state.playing && avatarStudio.state.currentTime > 0",
        timeout=RENDER_TIMEOUT_MS,
    )
    render: dict[str, Any] = page.evaluate("avatarStudio.render")
    return render


def seek(page: Page, t_ms: float) -> dict[str, Any]:
    """Freezes the page at a moment and returns its state."""
    state: dict[str, Any] = page.evaluate("t => avatarStudio.seek(t)", t_ms)
    return state


def count_pixels(page: Page, box: str, kind: str) -> int:
    """Counts pixels in a box of the avatar that avatarStudio knows by name."""
    count: int = page.evaluate(f"(kind) => ({COUNT_PIXELS})(['canvas', avatarStudio.{box}, kind])", kind)
    return count


def speak_with_blink(page: Page) -> dict[str, Any]:
    """Speaks for over half a minute, far longer than eyes stay open; returns the first blink."""
    render = speak(page, " ".join([TEXT] * 6))
    return next(event for event in render["eye_events"] if event["event_type"] == "blink")


def cues_with_ends(render: dict[str, Any]) -> list[dict[str, Any]]:
    """The cues, each with the time at which the next one takes over."""
    cues: list[dict[str, Any]] = render["mouth_cues"]
    ends = [cue["t_ms"] for cue in cues[1:]] + [render["duration_ms"]]
    return [{**cue, "end_ms": end} for cue, end in zip(cues, ends, strict=True) if end > cue["t_ms"]]


def longest(render: dict[str, Any], *visemes: str) -> dict[str, Any]:
    """The cue among these visemes that lasts longest, weighted: the clearest example in this speech."""
    found = [cue for cue in cues_with_ends(render) if cue["viseme"] in visemes]
    assert found, f"the speech has none of {visemes}"
    return max(found, key=lambda cue: (cue["end_ms"] - cue["t_ms"]) * cue["weight"])


def middle(cue: dict[str, Any]) -> float:
    """The middle of a cue in milliseconds."""
    centre: float = (cue["t_ms"] + cue["end_ms"]) / 2
    return centre


def png(red: int, green: int, blue: int, size: int = 8) -> bytes:
    """A square PNG of one colour, written by hand so that the tests need no imaging library."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, green, blue)) * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def data_url(image: bytes) -> str:
    """The image as an address that carries its own bytes."""
    return "data:image/png;base64," + base64.b64encode(image).decode()


def colour_at_centre(page: Page) -> tuple[int, int, int]:
    """The colour in the middle of the avatar canvas."""
    red, green, blue = page.evaluate(
        """() => {
            const canvas = document.getElementById("canvas");
            const { data } = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
            return [...data.slice(0, 3)];
        }"""
    )
    return red, green, blue
