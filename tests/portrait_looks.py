"""Who the portraits of the product show: colours and shapes, in a square of 768."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """Colours and shapes of one person; colours are SVG's."""

    skin: tuple[str, str, str, str]
    """Light, plain, shade, deep."""
    lips: tuple[str, str, str]
    """Upper, lower, line."""
    hair: tuple[str, str, str]
    """Light, plain, dark."""
    iris: tuple[str, str]
    """Light, dark."""
    clothes: tuple[str, str, str]
    """Light, plain, dark."""
    blush: str
    jaw: str
    """Path of the face."""
    brow: float
    """Thickness."""
    lash: float
    """Thickness."""
    lip: float
    """Height of the lips; 1 is full."""
    back: str
    """Hair behind the head."""
    front: str
    """Hair in front."""
    strands: tuple[str, ...]
    wear: str
    """SVG of what is worn, above the neck's shade."""
    neck: int
    """Half of its width."""
    beard: float = 0.0
    """0-1: shade of a shaved beard."""


_SOFT_JAW = (
    "M 262 300 C 258 190, 310 132, 384 132 C 458 132, 510 190, 506 300 C 505 352, 498 398, 476 436 "
    "C 452 474, 420 502, 384 502 C 348 502, 316 474, 292 436 C 270 398, 263 352, 262 300 Z"
)
_SQUARE_JAW = (
    "M 258 296 C 254 186, 308 128, 384 128 C 460 128, 514 186, 510 296 C 509 352, 505 398, 488 436 "
    "C 470 478, 430 512, 384 512 C 338 512, 298 478, 280 436 C 263 398, 259 352, 258 296 Z"
)

ADA = Look(
    skin=("#ffe3d0", "#f6c9ad", "#e3a486", "#c17f63"),
    lips=("#c4585f", "#dd7f80", "#7d2f38"),
    hair=("#9c5a38", "#6b3524", "#3e1c17"),
    iris=("#8fb56a", "#3f5b33"),
    clothes=("#49b3a8", "#278a86", "#176066"),
    blush="#ee8675",
    jaw=_SOFT_JAW,
    brow=8.5,
    lash=5.4,
    lip=1.0,
    back=(
        "M 384 78 C 268 74, 206 156, 208 268 C 210 350, 186 420, 206 492 C 218 552, 262 588, 312 590 L 340 520 "
        "L 428 520 L 456 590 C 506 588, 550 552, 562 492 C 582 420, 558 350, 560 268 C 562 156, 500 74, 384 78 Z"
    ),
    front=(
        "M 424 148 C 400 186, 340 222, 286 246 C 272 272, 268 312, 262 352 C 258 400, 264 446, 250 486 "
        "C 222 460, 216 400, 222 340 C 208 226, 252 84, 384 80 C 516 78, 562 226, 546 340 C 552 400, 546 460, 518 486 "
        "C 504 446, 510 400, 506 352 C 504 306, 500 268, 482 238 C 456 214, 436 186, 424 148 Z"
    ),
    strands=(
        "M 414 128 C 386 176, 326 206, 270 240",
        "M 398 98 C 352 152, 290 184, 248 268",
        "M 376 92 C 316 128, 258 180, 236 300",
        "M 432 150 C 446 190, 476 210, 502 250",
        "M 446 102 C 486 140, 520 196, 530 300",
        "M 240 320 C 236 380, 240 430, 246 470",
        "M 528 320 C 532 380, 528 430, 522 470",
    ),
    wear=(
        '<path d="M 90 768 C 96 690, 150 640, 262 612 C 296 602, 308 590, 316 574 C 330 610, 356 626, 384 626 '
        'C 412 626, 438 610, 452 574 C 460 590, 472 602, 506 612 C 618 640, 672 690, 678 768 Z" fill="url(#cloth)"/>'
        '<path d="M 316 574 C 330 612, 356 628, 384 628 C 412 628, 438 612, 452 574" fill="none" '
        'stroke="#7fd6c9" stroke-width="9" stroke-linecap="round" opacity=".8"/>'
        '<path d="M 214 668 C 226 702, 228 738, 226 768 M 554 668 C 542 702, 540 738, 542 768" fill="none" '
        'stroke="#12525a" stroke-width="5" stroke-linecap="round" opacity=".35" filter="url(#b2)"/>'
    ),
    neck=54,
)

LEO = Look(
    skin=("#d9a273", "#b97d50", "#93592f", "#693b20"),
    lips=("#92493f", "#b3695b", "#4b201c"),
    hair=("#4a3a36", "#2a2021", "#151011"),
    iris=("#8a5a33", "#38200f"),
    clothes=("#5674c9", "#35509f", "#22346f"),
    blush="#b8573c",
    jaw=_SQUARE_JAW,
    brow=12.5,
    lash=3.6,
    lip=0.86,
    back=(
        "M 384 70 C 286 66, 236 130, 240 228 C 240 262, 244 292, 254 318 L 514 318 "
        "C 524 292, 528 262, 528 228 C 532 130, 482 66, 384 70 Z"
    ),
    front=(
        "M 256 318 C 240 266, 232 212, 248 164 C 262 100, 322 58, 398 62 C 470 62, 524 106, 530 176 "
        "C 536 226, 526 272, 512 318 C 508 288, 506 258, 494 230 C 478 214, 466 196, 456 178 "
        "C 410 196, 338 192, 300 176 C 284 196, 276 216, 272 236 C 262 262, 260 290, 256 318 Z"
    ),
    strands=(
        "M 300 172 C 316 120, 372 92, 440 96",
        "M 330 182 C 346 132, 400 108, 470 124",
        "M 376 188 C 392 148, 440 128, 500 160",
        "M 420 186 C 436 160, 470 150, 508 194",
        "M 268 220 C 262 170, 288 116, 340 90",
    ),
    wear=(
        '<path d="M 66 768 C 72 688, 140 642, 270 610 C 296 602, 306 592, 312 578 L 384 646 L 456 578 '
        'C 462 592, 472 602, 498 610 C 628 642, 696 688, 702 768 Z" fill="url(#cloth)"/>'
        '<path d="M 308 566 C 296 580, 286 594, 276 608 L 336 672 L 384 640 Z" fill="#f4f1ea"/>'
        '<path d="M 460 566 C 472 580, 482 594, 492 608 L 432 672 L 384 640 Z" fill="#e3ded6"/>'
        '<path d="M 308 566 L 384 640 L 460 566" fill="none" stroke="#b9b2a8" stroke-width="4" '
        'stroke-linejoin="round"/>'
        '<path d="M 384 648 L 384 768" stroke="#1b2a5c" stroke-width="4" opacity=".5"/>'
        '<path d="M 196 672 C 212 706, 216 738, 214 768 M 572 672 C 556 706, 552 738, 554 768" fill="none" '
        'stroke="#152252" stroke-width="5" stroke-linecap="round" opacity=".4" filter="url(#b2)"/>'
    ),
    neck=68,
    beard=0.35,
)
PORTRAITS = {"ada": ADA, "leo": LEO}
