"""POST /upload/image on the real server: what is taken, and what is refused with which reason."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.pictures import bomb, picture
from tests.portraits import astronaut, coded
from tests.serve_app.test_server import error_of

IMAGE = "/upload/image"


def _send(client: httpx.Client, content: bytes, name: str = "me.png") -> httpx.Response:
    return client.post(IMAGE, files={"file": (name, content)})


def _image(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(astronaut()).convert(mode)


def _turned() -> bytes:
    """As a phone writes a picture that was taken upright: lying on its side, with a note to turn it."""
    image = _image().rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("jpeg", image, exif=exif)


def _animated(kind: str) -> bytes:
    target = io.BytesIO()
    _image().save(target, kind, save_all=True, append_images=[_image().rotate(5)])
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (picture("png", _image()), "png"),
        (picture("jpeg", _image("CMYK")), "jpeg"),
        (picture("jpeg", _image("L")), "jpeg"),
        (picture("webp", _image()), "webp"),
        (_turned(), "jpeg"),
        (_animated("WEBP"), "webp"),
    ],
    ids=["png", "cmyk", "grey", "webp", "turned", "animated webp"],
)
def test_a_face_is_found_whatever_the_file(client: httpx.Client, content: bytes, kind: str) -> None:
    reply = _send(client, content)
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert found["ready"] and found["format"] == kind and (found["width"], found["height"]) == (512, 512)
    left, top, right, bottom = found["faces"][0]["box"]
    assert (left + right) / 2 == pytest.approx(224, abs=15) and (top + bottom) / 2 == pytest.approx(130, abs=25)


def test_what_is_transparent_stays_so(client: httpx.Client) -> None:
    pixels = np.dstack([astronaut(), np.full((512, 512), 255, np.uint8)])
    pixels[:, :40, 3] = 0
    found = _send(client, coded(pixels, ".png")).json()
    assert found["has_alpha"] and found["ready"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"hello, world" * 100, "no picture"),
        (_animated("GIF"), "GIF"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(600), "video"),
        (picture("jpeg", _image())[:9000], "cut"),
        (picture("png", _image())[:9000], "cut"),
        (picture("png", _image()) + b"PK\x03\x04" + bytes(2000), "behind"),
        (bomb(20_000, 20_000), "pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
    ids=["empty", "text", "gif", "video", "cut jpeg", "cut png", "zip behind", "bomb", "svg"],
)
def test_what_is_refused(client: httpx.Client, content: bytes, says: str) -> None:
    reply = _send(client, content)
    assert reply.status_code == 422, reply.text
    error = error_of(reply)
    assert error["code"] == "bad_picture" and error["hint"], error
    assert says.lower() in error["message"].lower(), error["message"]


def test_one_pixel_is_a_picture_of_nobody(client: httpx.Client) -> None:
    found = _send(client, picture("png", np.zeros((1, 1, 3), np.uint8))).json()
    assert (found["width"], found["height"], found["ready"]) == (1, 1, False) and found["problem"]


def test_two_faces_the_larger_talks(client: httpx.Client) -> None:
    face = astronaut()[20:300, 100:350]
    small = np.asarray(Image.fromarray(face).resize((150, 168)))
    both = np.full((300, 420, 3), 128, np.uint8)
    both[10:290, 160:410], both[60:228, 5:155] = face, small
    found = _send(client, coded(both, ".png")).json()
    assert len(found["faces"]) == 2 and found["ready"] and any("2" in note or "two" in note for note in found["notes"])
    widths = [each["box"][2] - each["box"][0] for each in found["faces"]]
    assert widths == sorted(widths, reverse=True)


def test_a_face_that_the_border_cuts(client: httpx.Client) -> None:
    found = _send(client, coded(np.ascontiguousarray(astronaut()[:150]), ".png")).json()
    assert not found["ready"] and ("border" in found["problem"] or "outside" in found["problem"]), found["problem"]


def test_too_many_bytes(client: httpx.Client) -> None:
    reply = _send(client, bytes(21_000_000))
    assert reply.status_code == 413 and error_of(reply)["code"] == "body_too_large"


@pytest.mark.parametrize(
    "sent", [{"data": {"file": "x"}}, {"json": {}}, {"files": {"image": ("me.png", b"x")}}], ids=str
)
def test_no_file(client: httpx.Client, sent: dict[str, Any]) -> None:
    reply = client.post(IMAGE, **sent)
    assert reply.status_code == 422 and "file" in error_of(reply)["message"] + error_of(reply)["hint"]


def test_the_name_of_the_sender_says_nothing(client: httpx.Client) -> None:
    one = _send(client, coded(astronaut(), ".png"), "../../etc/passwd.png").json()["filename"]
    assert one == _send(client, coded(astronaut(), ".png"), "x").json()["filename"] and len(one) == 36
