"""Draws the portraits that come with the product: python -m tests.draw_portraits [FOLDER].

They are SVG in the making, put on a transparent ground by the Chromium of the tests, and nobody's picture.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from tests.portrait_looks import PORTRAITS, Look
from tests.web.browser import launch

SIZE = 768
"""Pixels of a side."""
FOLDER = Path(__file__).resolve().parents[1] / "deployments/avatar/portraits"


def svg(look: Look) -> str:
    """The whole picture."""
    parts = (
        _back(look),
        _neck(look),
        look.wear,
        _ears(look),
        _face(look),
        _nose(look),
        _eye(look, 322, -1),
        _eye(look, 446, 1),
        _mouth(look),
        _hair(look),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" viewBox="0 0 {SIZE} {SIZE}">'
        f"<defs>{_defs(look)}</defs>{''.join(parts)}</svg>"
    )


def _gradient(name: str, stops: Sequence[tuple[float, str]], where: str, kind: str = "linear") -> str:
    inside = "".join(f'<stop offset="{at}" stop-color="{colour}"/>' for at, colour in stops)
    return f'<{kind}Gradient id="{name}" gradientUnits="userSpaceOnUse" {where}>{inside}</{kind}Gradient>'


def _defs(look: Look) -> str:
    light, plain, shade, deep = look.skin
    blurs = "".join(
        f'<filter id="b{size}" x="-80%" y="-80%" width="260%" height="260%">'
        f'<feGaussianBlur stdDeviation="{size}"/></filter>'
        for size in (1, 2, 4, 8, 14, 24)
    )
    top, middle, dark = look.hair
    return blurs + "".join(
        (
            _gradient("skin", ((0, light), (0.55, plain), (1, shade)), 'cx="350" cy="280" r="260"', "radial"),
            _gradient("neck", ((0, deep), (0.4, shade), (1, plain)), 'x1="0" y1="470" x2="0" y2="640"'),
            _gradient("hair", ((0, top), (0.45, middle), (1, dark)), 'x1="250" y1="80" x2="520" y2="470"'),
            _gradient("behind", ((0, middle), (0.5, dark), (1, middle)), 'x1="0" y1="90" x2="0" y2="600"'),
            _gradient(
                "cloth",
                ((0, look.clothes[0]), (0.5, look.clothes[1]), (1, look.clothes[2])),
                'x1="180" y1="590" x2="560" y2="790"',
            ),
            _gradient("white", ((0, "#cfc4c4"), (0.5, "#fbf8f6"), (1, "#f3ecea")), 'x1="0" y1="304" x2="0" y2="336"'),
            _gradient("upper", ((0, look.lips[1]), (1, look.lips[0])), 'x1="0" y1="420" x2="0" y2="442"'),
            _gradient(
                "lower", ((0, look.lips[0]), (0.45, look.lips[1]), (1, look.lips[0])), 'x1="0" y1="440" x2="0" y2="466"'
            ),
            f'<clipPath id="face"><path d="{look.jaw}"/></clipPath>',
            f'<clipPath id="fringe"><path d="{look.front}"/></clipPath>',
        )
    )


def _back(look: Look) -> str:
    return f'<path d="{look.back}" fill="url(#behind)"/>'


def _neck(look: Look) -> str:
    left, right = 384 - look.neck, 384 + look.neck
    path = (
        f"M {left} 440 C {left + 4} 520, {left + 2} 560, {left - 24} 588 C 320 690, 448 690, {right + 24} 588 "
        f"C {right - 2} 560, {right - 4} 520, {right} 440 Z"
    )
    return (
        f'<clipPath id="throat"><path d="{path}"/></clipPath><path d="{path}" fill="url(#neck)"/>'
        f'<g clip-path="url(#throat)"><ellipse cx="384" cy="500" rx="{look.neck + 20}" ry="38" fill="{look.skin[3]}" '
        'opacity=".55" filter="url(#b8)"/>'
        f'<ellipse cx="{right + 4}" cy="560" rx="16" ry="70" fill="{look.skin[3]}" opacity=".35" '
        'filter="url(#b8)"/></g>'
    )


def _ears(look: Look) -> str:
    ears = ""
    for side in (-1, 1):
        x = 384 + side * 126
        ears += (
            f'<ellipse cx="{x}" cy="338" rx="17" ry="33" transform="rotate({side * 7} {x} 338)" '
            f'fill="{look.skin[1]}"/>'
            f'<path d="M {x + side * 3} 318 q {side * 10} 4 {side * 7} 22 q {-side * 2} 14 {-side * 9} 18" fill="none" '
            f'stroke="{look.skin[3]}" stroke-width="3" stroke-linecap="round" opacity=".55"/>'
        )
    return ears


def _face(look: Look) -> str:
    light, _, shade, deep = look.skin
    beard = ""
    if look.beard:
        beard = (
            f'<path d="M 262 372 C 290 408, 318 402, 344 408 C 366 398, 402 398, 424 408 C 450 402, 478 408, 506 372 '
            f'L 506 530 L 262 530 Z" fill="{look.hair[2]}" opacity="{look.beard * 0.55}" filter="url(#b14)"/>'
        )
    cheeks = "".join(
        f'<ellipse cx="{384 + side * 76}" cy="394" rx="34" ry="24" fill="{look.blush}" opacity=".38" '
        'filter="url(#b14)"/>'
        for side in (-1, 1)
    )
    return (
        f'<path d="{look.jaw}" fill="url(#skin)"/><g clip-path="url(#face)">'
        f'<ellipse cx="384" cy="176" rx="150" ry="62" fill="{deep}" opacity=".42" filter="url(#b24)"/>'
        f'<ellipse cx="536" cy="350" rx="60" ry="190" fill="{deep}" opacity=".42" filter="url(#b24)"/>'
        f'<ellipse cx="236" cy="380" rx="34" ry="150" fill="{shade}" opacity=".5" filter="url(#b24)"/>'
        f'<ellipse cx="384" cy="520" rx="110" ry="34" fill="{deep}" opacity=".4" filter="url(#b14)"/>'
        f'<ellipse cx="384" cy="480" rx="26" ry="13" fill="{light}" opacity=".4" filter="url(#b8)"/>'
        f"{beard}{cheeks}"
        f'<ellipse cx="364" cy="246" rx="52" ry="30" fill="{light}" opacity=".55" filter="url(#b14)"/></g>'
    )


def _nose(look: Look) -> str:
    light, _, shade, deep = look.skin
    return (
        f'<path d="M 392 318 C 398 350, 404 372, 410 392" fill="none" stroke="{deep}" stroke-width="9" opacity=".28" '
        'filter="url(#b4)"/>'
        f'<ellipse cx="386" cy="404" rx="30" ry="10" fill="{deep}" opacity=".32" filter="url(#b4)"/>'
        f'<ellipse cx="381" cy="356" rx="7" ry="36" fill="{light}" opacity=".6" filter="url(#b4)"/>'
        f'<ellipse cx="382" cy="386" rx="12" ry="9" fill="{light}" opacity=".75" filter="url(#b4)"/>'
        f'<path d="M 359 396 C 356 388, 359 381, 364 379 M 409 396 C 412 388, 409 381, 404 379" fill="none" '
        f'stroke="{deep}" stroke-width="2.6" stroke-linecap="round" opacity=".5"/>'
        f'<path d="M 364 399 C 368 393, 375 395, 377 401 M 404 399 C 400 393, 393 395, 391 401" fill="none" '
        f'stroke="{deep}" stroke-width="4" stroke-linecap="round" opacity=".85" filter="url(#b1)"/>'
        f'<path d="M 377 402 Q 384 406 391 402" fill="none" stroke="{shade}" stroke-width="3" stroke-linecap="round"/>'
    )


def _eye(look: Look, x: int, side: int) -> str:
    """The eye around (x, 320); side -1 is the one at the left. Drawn as the right one and mirrored."""
    opening = "M -31 3 C -20 -14, 10 -20, 31 0 C 18 16, -14 17, -31 3 Z"
    upper = "M -32 4 C -20 -14, 10 -20, 33 -1"
    glint = -5 * side - 1  # the light comes from the upper left for both
    return (
        f'<g transform="translate({x} 320) scale({side} 1)">'
        f'<ellipse cx="0" cy="-4" rx="42" ry="24" fill="{look.skin[3]}" opacity=".2" filter="url(#b8)"/>'
        f'<clipPath id="o{x}"><path d="{opening}"/></clipPath><path d="{opening}" fill="#fbf7f5"/>'
        f'<g clip-path="url(#o{x})">'
        f'<circle cx="0" cy="-1" r="15.5" fill="{look.iris[1]}"/>'
        f'<circle cx="0" cy="0.5" r="12.6" fill="{look.iris[0]}"/>'
        f'<circle cx="0" cy="-3" r="12" fill="{look.iris[1]}" opacity=".45" filter="url(#b2)"/>'
        f'<circle cx="0" cy="-1" r="6.6" fill="#1a1211"/>'
        f'<circle cx="{glint}" cy="-5.5" r="3.6" fill="#fff" opacity=".95"/>'
        f'<circle cx="{-glint}" cy="6" r="2" fill="#fff" opacity=".5"/>'
        f'<path d="{upper}" fill="none" stroke="#3a2a2c" stroke-width="12" opacity=".3" filter="url(#b2)"/></g>'
        f'<path d="{upper}" fill="none" stroke="#241415" stroke-width="{look.lash}" stroke-linecap="round"/>'
        f'<path d="M 27 -4 Q 35 -6 39 -12" fill="none" stroke="#241415" stroke-width="{look.lash * 0.62}" '
        f'stroke-linecap="round" opacity="{0.9 if look.lash > 4 else 0}"/>'
        f'<path d="M -22 8 C -8 17, 16 16, 29 3" fill="none" stroke="{look.skin[3]}" stroke-width="2" opacity=".6" '
        'stroke-linecap="round"/>'
        f'<path d="M -30 -6 C -18 -23, 12 -29, 34 -10" fill="none" stroke="{look.skin[3]}" stroke-width="2.4" '
        'opacity=".55" stroke-linecap="round"/>'
        f'<path d="M -36 -38 C -14 {-50 - look.brow * 0.3}, 16 {-54 - look.brow * 0.3}, 44 -36 '
        f'C 18 {-52 + look.brow * 0.55}, -12 {-48 + look.brow * 0.75}, -35 {-37 + look.brow * 0.75} Z" '
        f'fill="{look.hair[1]}" stroke="{look.hair[1]}" stroke-width="1.5" stroke-linejoin="round" '
        'opacity=".85" filter="url(#b1)"/></g>'
    )


def _mouth(look: Look) -> str:
    top, low = 438 - 13 * look.lip, 441 + 20 * look.lip
    line = look.lips[2]
    return (
        f'<ellipse cx="384" cy="{low + 7}" rx="32" ry="7" fill="{look.skin[3]}" opacity=".4" filter="url(#b4)"/>'
        f'<path d="M 334 434 C 350 {top + 6}, 366 {top - 1}, 376 {top} Q 384 {top + 5} 392 {top} '
        f'C 402 {top - 1}, 418 {top + 6}, 434 434 C 412 441, 398 441, 384 443 C 370 441, 356 441, 334 434 Z" '
        'fill="url(#upper)"/>'
        f'<path d="M 334 434 C 356 441, 370 441, 384 443 C 398 441, 412 441, 434 434 C 420 {low - 3}, 402 {low}, '
        f'384 {low} C 366 {low}, 348 {low - 3}, 334 434 Z" fill="url(#lower)"/>'
        f'<ellipse cx="378" cy="{441 + 11 * look.lip}" rx="20" ry="3.6" fill="#fff" opacity=".4" filter="url(#b2)"/>'
        f'<path d="M 339 435.5 C 356 440.5, 370 440, 384 442 C 398 440, 412 440.5, 429 435.5 C 412 443, 398 442.5, '
        f'384 445 C 370 442.5, 356 443, 339 435.5 Z" fill="{line}" filter="url(#b1)"/>'
        f'<path d="M 330 429 q -3 3 -2 7 M 438 429 q 3 3 2 7" fill="none" stroke="{look.skin[3]}" stroke-width="3" '
        'stroke-linecap="round" opacity=".5" filter="url(#b1)"/>'
    )


def _hair(look: Look) -> str:
    strands = "".join(
        f'<path d="{path}" fill="none" stroke="{look.hair[i % 2 * 2]}" stroke-width="{5 - i % 3}" '
        f'stroke-linecap="round" opacity="{0.3 if i % 2 else 0.34}" filter="url(#b2)"/>'
        for i, path in enumerate(look.strands)
    )
    return (
        f'<g clip-path="url(#face)"><path d="{look.front}" fill="{look.skin[3]}" opacity=".45" '
        'transform="translate(4 11)" filter="url(#b8)"/></g>'
        f'<path d="{look.front}" fill="url(#hair)"/><g clip-path="url(#fringe)">{strands}'
        f'<ellipse cx="320" cy="132" rx="74" ry="22" transform="rotate(-24 320 132)" fill="{look.hair[0]}" '
        'opacity=".75" filter="url(#b14)"/>'
        f'<ellipse cx="500" cy="180" rx="20" ry="70" transform="rotate(-18 500 180)" fill="{look.hair[0]}" '
        'opacity=".45" filter="url(#b14)"/></g>'
    )


def draw(folder: Path) -> None:
    """Writes NAME.png for all of them: RGBA, 768x768."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": SIZE, "height": SIZE}, device_scale_factor=2)
        for name, look in PORTRAITS.items():
            page.set_content(f'<body style="margin:0;background:transparent">{svg(look)}</body>')
            (folder / f"{name}.png").write_bytes(_halved(page.screenshot(omit_background=True)))
        browser.close()


def _halved(png: bytes) -> bytes:
    """A PNG of half the size, each pixel the mean of four."""
    large = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), np.float32)
    large[..., :3] *= large[..., 3:] / 255
    small = np.asarray(cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] *= np.float32(255) / np.maximum(small[..., 3:], 1)
    pixels = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
