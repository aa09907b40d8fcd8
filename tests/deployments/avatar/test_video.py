"""Videos hold the frames and the sound that went in, in step, in both files."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.avatar.video import VideoFile, frame_count
from deployments.core.types import AudioClip
from deployments.core.video import VideoQuality
from tests.recordings import tone

AAC_FRAME_S = 1024 / 48_000


@dataclass
class Made:
    """A video and all that is known of it."""

    whole: bytes
    pieces: list[bytes]
    """What each append returned, and the rest."""
    thumbnail: bytes
    frames: int
    av_offset_ms: float

    @property
    def fragmented(self) -> bytes:
        return b"".join(self.pieces)


def flat(colour: tuple[int, int, int], count: int, side: int = 64) -> NDArray[np.uint8]:
    """Frames of one colour."""
    return np.broadcast_to(np.array(colour, np.uint8), (count, side, side, 3)).copy()


def counted(count: int, side: int = 64) -> NDArray[np.uint8]:
    """Frames whose grey says which they are: 3 levels apart, over and over."""
    levels = (np.arange(count) * 3 % 240).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, side, side, 3)).copy()


def make(
    frames: NDArray[np.uint8],
    clips: list[AudioClip],
    fps: int = 25,
    quality: VideoQuality = "medium",
    batch: int = 1,
    captions: str | None = None,
) -> Made:
    """Frames in batches; the sound as it lasts, a clip a batch."""
    rate = clips[0].sample_rate if clips else 22_050
    _, height, width, _ = frames.shape
    with VideoFile(width, height, fps, quality, rate, captions, "de-DE") as video:
        waiting = list(clips)
        pieces = [
            video.append(frames[start : start + batch], waiting.pop(0) if waiting else None)
            for start in range(0, len(frames), batch)
        ]
        finished = video.finish()
        whole = finished.path.read_bytes()
    assert not finished.path.exists()
    return Made(whole, [*pieces, finished.rest], finished.thumbnail, finished.frames, finished.av_offset_ms)


def sound(seconds: float, rate: int = 22_050) -> AudioClip:
    return AudioClip(tone(seconds, rate), rate)


def boxes(content: bytes) -> Iterator[str]:
    """Names of the outermost boxes (ISO 14496-12, 4.2); they fill the file."""
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        assert length >= 8 and at + length <= len(content)
        yield content[at + 4 : at + 8].decode()
        at += length


def pictures(content: bytes) -> list[Any]:
    with av.open(io.BytesIO(content), mode="r") as container:
        return list(container.decode(video=0))


def heard(content: bytes) -> NDArray[np.float32]:
    with av.open(io.BytesIO(content), mode="r") as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def rgb(frame: Any) -> NDArray[np.float64]:
    """(3,) of the pixel in the middle: BT.709 in video levels, as ITU-R BT.709-6, 3 has it."""
    planes = [np.frombuffer(plane, np.uint8).reshape(plane.height, -1) for plane in frame.planes]
    y, cb, cr = (float(plane[plane.shape[0] // 2, frame.width // 4]) for plane in planes)
    luma, blue, red = (y - 16) / 219, 1.8556 * (cb - 128) / 224, 1.5748 * (cr - 128) / 224
    green = -(0.2126 * red + 0.0722 * blue) / 0.7152
    return 255 * np.clip([luma + red, luma + green, luma + blue], 0, 1)


@pytest.fixture(scope="module")
def made() -> Made:
    """61 frames, with a sound that ends within the last."""
    return make(counted(61), [sound(61 / 25 - 0.013)])


@pytest.mark.parametrize("kind", ["whole", "fragmented"])
def test_every_frame_is_there_in_order(made: Made, kind: str) -> None:
    shown = pictures(getattr(made, kind))
    assert made.frames == len(shown) == 61
    assert [frame.time for frame in shown] == pytest.approx([number / 25 for number in range(61)])
    assert [rgb(frame).mean() for frame in shown] == pytest.approx(list(np.arange(61) * 3 % 240), abs=2)


def test_the_file_says_what_it_is(made: Made) -> None:
    with av.open(io.BytesIO(made.whole), mode="r") as container:
        picture, heard = container.streams.video[0], container.streams.audio[0]
        context: Any = picture.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        assert (picture.width, picture.height) == (64, 64) and picture.average_rate == 25
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert tags == (1, 1, 1, 1)  # ITU-T H.273: BT.709 thrice; and video levels
        assert (heard.codec_context.name, heard.rate, heard.layout.name) == ("aac", 48_000, "mono")
        assert heard.metadata["language"] == "deu"
        assert container.duration == pytest.approx(61 / 25 * 1_000_000, abs=1000)


def test_the_index_stands_in_front_and_fragments_follow_one_another(made: Made) -> None:
    assert [name for name in boxes(made.whole) if name != "free"] == ["ftyp", "moov", "mdat"]
    names = list(boxes(made.fragmented))
    assert names[:2] == ["ftyp", "moov"] and names[-1] == "mfra"
    assert set(names[2:-1:2]) == {"moof"} and set(names[3:-1:2]) == {"mdat"} and len(names) >= 13


def test_the_first_fragment_comes_with_the_eighth_frame(made: Made) -> None:
    """And can be shown: it has frames and sound."""
    assert next(number for number, piece in enumerate(made.pieces, 1) if piece) == 8
    assert len(pictures(made.pieces[7])) == 3 and len(heard(made.pieces[7])) > 0
    waits = np.diff([number for number, piece in enumerate(made.pieces) if piece])
    assert waits.max() <= 14  # half a second, and the packet of AAC that ends it


def test_both_files_hold_the_same_packets(made: Made) -> None:
    packets = []
    for content in (made.whole, made.fragmented):
        with av.open(io.BytesIO(content), mode="r") as container:
            packets.append([bytes(packet) for packet in container.demux(video=0) if packet.size])
    assert packets[0] == packets[1]


@pytest.mark.parametrize(
    "colour",
    [(255, 255, 255), (0, 0, 0), (230, 40, 30), (20, 160, 90), (40, 60, 220), (205, 170, 140), (255, 255, 0)],
    ids=str,
)
def test_colours_are_exact(colour: tuple[int, int, int]) -> None:
    for frame in pictures(make(flat(colour, 6), []).whole)[::5]:
        assert rgb(frame) == pytest.approx(colour, abs=2)


def test_quality_costs_bytes() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1, 32, 32, 3), np.uint8)
    frames = np.stack([np.roll(cv2.resize(noise[0], (128, 128)), 3 * shift, 1) for shift in range(10)])
    low, medium, high = (len(make(frames, [], quality=quality).whole) for quality in ("low", "medium", "high"))
    assert low < 0.8 * medium < 0.8 * 0.8 * high


@pytest.mark.parametrize(
    ("rate", "fps"), [(8_000, 25), (16_000, 24), (22_050, 30), (44_100, 10), (48_000, 50), (96_000, 60)]
)
def test_sound_of_any_rate_is_in_step(rate: int, fps: int) -> None:
    """A click in the middle of a frame is there in the file."""
    samples = np.zeros(rate * 2, np.float32)
    samples[round(1.2345 * rate)] = 0.9
    made = make(flat((9, 9, 9), 2 * fps), [AudioClip(samples, rate)], fps)
    for content in (made.whole, made.fragmented):
        assert np.abs(heard(content)).argmax() / 48_000 == pytest.approx(1.2345, abs=0.0015)
    assert abs(made.av_offset_ms) < 1


@pytest.mark.parametrize("seconds", [0.001, 1.0, 1.017, 10.0, 9.987], ids=str)
def test_picture_and_sound_end_together(seconds: float) -> None:
    clip = sound(seconds)
    made = make(flat((80, 90, 100), frame_count(clip.duration_s, 25)), [clip], batch=8)
    assert abs(made.av_offset_ms) < 1
    assert len(heard(made.whole)) / 48_000 == pytest.approx(made.frames / 25, abs=AAC_FRAME_S)
    assert made.frames / 25 - seconds < 1 / 25


def test_ten_minutes_end_together_in_bounded_memory() -> None:
    frames, clip = counted(100), sound(4)
    with VideoFile(64, 64, 25, "low", clip.sample_rate) as video:
        taken = []
        for _ in range(10):
            for _ in range(15):
                video.append(frames, clip)
            taken.append(psutil.Process().memory_info().rss)
        assert max(taken[2:]) - taken[1] < 5_000_000  # 3 MB of indices; with all packets it would be 9
        finished = video.finish()
        assert finished.frames == 15_000 and abs(finished.av_offset_ms) < 1
        with av.open(finished.path, mode="r") as container:
            assert container.duration == pytest.approx(600_000_000, abs=1000)
            container.seek(599_000_000)
            assert list(container.decode(video=0))[-1].time == pytest.approx(600 - 1 / 25)


def test_sound_may_run_ahead_or_come_late_or_end_early_or_last_too_long() -> None:
    frames, clip = counted(50), sound(2)
    parts = [AudioClip(clip.samples[at : at + 882], 22_050) for at in range(0, 44_100, 882)]
    ahead, along = make(frames, [clip]), make(frames, parts)
    assert ahead.whole == along.whole and ahead.fragmented == along.fragmented
    late = make(frames, [AudioClip(clip.samples[:0], 22_050)] * 49 + [clip])
    assert heard(late.whole) == pytest.approx(heard(ahead.whole), abs=1e-6)
    short, long = make(frames, [sound(0.5)]), make(frames, [sound(3)])
    assert np.abs(heard(short.whole)[26_000:]).max() < 0.001 and abs(short.av_offset_ms) < 1
    assert len(pictures(long.whole)) == 50 and abs(long.av_offset_ms) < 1


def test_without_sound_there_is_silence() -> None:
    made = make(flat((50, 60, 70), frame_count(0, 25)), [AudioClip(np.zeros(0, np.float32), 16_000)])
    assert made.frames == 1 and len(pictures(made.whole)) == len(pictures(made.fragmented)) == 1
    assert np.abs(heard(made.whole)).max() == 0 and abs(made.av_offset_ms) < 1


CAPTIONS = (
    "WEBVTT\n\n00:00:00.200 --> 00:00:00.900\nGuten <00:00:00.500>Tag &amp; auf\n\n"
    "00:00:01.500 --> 00:00:09.000\nWiedersehen\n\n00:00:05.000 --> 00:00:06.000\nnie\n"
)


def test_captions_are_a_track_of_the_finished_file() -> None:
    made = make(counted(50), [sound(2)], captions=CAPTIONS)
    with av.open(io.BytesIO(made.whole), mode="r") as container:
        track = container.streams.subtitles[0]
        assert track.codec_context.name == "mov_text" and track.metadata["language"] == "deu"
        shown = [
            (packet.pts, packet.duration, bytes(packet)[2:].decode())
            for packet in container.demux(track)
            if packet.size > 2
        ]
        assert shown == [(200_000, 700_000, "Guten Tag & auf"), (1_500_000, 500_000, "Wiedersehen")]
        assert container.duration == 2_000_000
    with av.open(io.BytesIO(made.fragmented), mode="r") as container:
        assert not container.streams.subtitles


def test_the_thumbnail_is_the_first_frame() -> None:
    frames = np.concatenate([flat((200, 120, 30), 1), flat((0, 0, 0), 5)])
    decoded: Any = cv2.imdecode(np.frombuffer(make(frames, []).thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (64, 64, 3) and list(map(int, decoded[5, 5])) == pytest.approx([30, 120, 200], abs=3)


def test_the_same_frames_make_the_same_files(made: Made) -> None:
    again = make(counted(61), [sound(61 / 25 - 0.013)], batch=7)
    assert again.whole == made.whole and again.fragmented == made.fragmented


@pytest.mark.parametrize("frames", [0, 1, 40])
def test_who_leaves_midway_leaves_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, frames: int) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with VideoFile(64, 64, 25, "medium", 22_050, CAPTIONS) as video:
        video.append(counted(frames), sound(1))
        assert list(tmp_path.iterdir())
    video.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 63)])
def test_odd_sizes_are_a_mistake_of_the_caller(width: int, height: int) -> None:
    with pytest.raises(AssertionError):
        VideoFile(width, height, 25, "medium", 22_050)


@given(st.floats(0, 3600), st.sampled_from([10, 24, 25, 30, 60]))
def test_frames_cover_the_sound_and_no_more(seconds: float, fps: int) -> None:
    count = frame_count(seconds, fps)
    assert count >= 1 and count / fps >= seconds - 1e-6
    assert count == 1 or (count - 1) / fps < seconds


@given(st.integers(1, 100_000), st.sampled_from([10, 24, 25, 30, 60]))
def test_whole_frames_are_not_rounded_up(count: int, fps: int) -> None:
    assert frame_count(count / fps, fps) == count
