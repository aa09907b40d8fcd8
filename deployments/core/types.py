"""The values that travel between stages. Frozen; every field says its unit, every array its shape, dtype and range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .video import Filming

SILENCE = "sil"
"""Symbol of a span without speech: the pause before, between and after words."""

Timing = Literal["natural", "exact"]
"""natural: mouth lead and coarticulation; exact: the times of the speech itself."""

VisemeSet = Literal["basic", "oculus", "azure", "rhubarb", "arkit"]
"""The alphabets that a client can ask for."""

EyeEventType = Literal["blink", "saccade"]
GazeDirection = Literal["left", "right", "up", "down"]


def read_only(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """A view of `array` that refuses writes; the caller's own array keeps its flags.

    Arrays from another replica are read-only anyway: in-process they should behave the same.
    """
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class AudioClip:
    """Mono sound."""

    samples: NDArray[np.float32]
    """(T,) float32 in [-1, 1], read-only."""
    sample_rate: int
    """Hertz."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", read_only(np.ascontiguousarray(self.samples, dtype=np.float32)))

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class PhonemeSpan:
    """One phoneme and when it sounds."""

    symbol: str
    """IPA letter with its stress mark in front and its length mark behind, or SILENCE."""
    start_s: float
    """Seconds from the start of the clip."""
    end_s: float
    """Seconds from the start of the clip."""


@dataclass(frozen=True)
class WordSpan:
    """One word of the text and when it sounds."""

    text: str
    """As written."""
    start_s: float
    """Seconds from the start of the clip."""
    end_s: float
    """Seconds from the start of the clip."""
    start_char: int
    """Offset of its first character in the text that was asked for."""
    end_char: int
    """Offset behind its last character."""


@dataclass(frozen=True, eq=False)
class Speech:
    """A spoken sentence: sound, and what sounds when."""

    audio: AudioClip
    phonemes: tuple[PhonemeSpan, ...]
    """Contiguous, from 0 to the end of the audio."""
    words: tuple[WordSpan, ...]
    """Sorted; offsets refer to `text`."""
    text: str
    language: str
    """Code of the voice's language, as in en_US."""


@dataclass(frozen=True, eq=False)
class VisemeTrack:
    """Mouth shapes as a step function: entry i holds from starts_s[i] to starts_s[i + 1], the last to the end."""

    starts_s: NDArray[np.float64]
    """(N,) float64, seconds, ascending, the first is 0."""
    visemes: NDArray[np.uint8]
    """(N,) uint8, indices into core.visemes.VISEMES."""
    weights: NDArray[np.float32]
    """(N,) float32 in [0, 1]: how strongly the shape is made."""
    duration_s: float
    """Seconds; 0 for an empty track."""

    def __post_init__(self) -> None:
        for name in ("starts_s", "visemes", "weights"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def ends_s(self) -> NDArray[np.float64]:
        """(N,) float64, seconds."""
        return np.append(self.starts_s[1:], self.duration_s)


@dataclass(frozen=True, eq=False)
class Reading:
    """What a lip sync engine found in a speech."""

    visemes: VisemeTrack
    """At the times of the speech itself: lead and coarticulation come at the join."""
    words: tuple[WordSpan, ...]
    """Sorted by time; offsets refer to `text`. Words that were not heard are left out."""
    text: str
    """What was taken as said: the given text, or what was recognised; empty where nobody knows."""
    method: str
    """What was really used: "phonemes", "align", "recognize words", "recognize allphone", "energy", and so on."""
    confidence: float
    """0-1: how far the mouth shapes can be trusted."""
    notes: tuple[str, ...]
    """Sentences for the user: what was missing in the sound or in the text, and which fallback was taken."""


@dataclass(frozen=True)
class LipSyncSummary:
    """What moved the mouth, over all parts of a render."""

    engine: str
    """File name in the room's engines/; several with commas between, where one went on for another."""
    method: str
    """See Reading; several with commas between."""
    confidence: float
    """0-1: mean of the parts, by their time."""
    notes: tuple[str, ...]
    """Sentences for the user."""


@dataclass(frozen=True)
class EyeEvent:
    """A blink or a jump of the gaze."""

    type: EyeEventType
    start_s: float
    """Seconds from the start of the timeline."""
    duration_s: float
    """Seconds."""
    direction: GazeDirection | None = None
    """Where a saccade looks, seen from the viewer; None for a blink."""


@dataclass(frozen=True)
class EyeTrack:
    """Blinks and saccades, sorted by start."""

    events: tuple[EyeEvent, ...]


@dataclass(frozen=True, eq=False)
class Animation:
    """A whole render on one timeline."""

    audio: AudioClip
    """0 samples for a recording: its sound is the upload itself, which may be long and is not kept twice."""
    visemes: VisemeTrack
    eyes: EyeTrack
    words: tuple[WordSpan, ...]
    """Offsets refer to the text of the take."""

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.visemes.duration_s


@dataclass(frozen=True, eq=False)
class Take:
    """A finished render: the animation, and its sound as a file."""

    animation: Animation
    ogg: bytes | None
    """Opus; None where encoding failed."""
    text: str
    """What is said: the text of the request, or what was recognised in a recording."""
    lipsync: LipSyncSummary


Priority = Literal["high", "normal", "low"]
"""Class of a job in the queue."""

SpeechFormat = Literal["wav", "mp3", "opus", "flac", "pcm"]
"""Audio file of /v1/audio/speech; pcm is 24 kHz, 16 bit, mono, without a header."""

CacheUse = Literal["use", "bypass", "refresh"]
"""use: what is there is taken; bypass: nothing is read or kept; refresh: all is computed and replaces what is there."""


@dataclass(frozen=True)
class Conversion:
    """How a voice is to become another one: strings alone, hashable."""

    engine: str
    """Name of a file in the engines/ of the rvc room."""
    model: str = ""
    """File in the folder of voice models ("Ara.pth"); empty for an engine without weights."""
    parameters: str = "{}"
    """JSON of the engine's `Parameters`, all of them, with sorted keys."""


@dataclass(frozen=True)
class RenderRequest:
    """What a user asks for: strings and numbers only, hashable."""

    text: str
    """1-5000 characters; of a recording what is said in it, or empty where nobody knows."""
    voice_id: str
    """Of the voice that speaks; empty for a recording."""
    speed: float = 1.0
    """0.5-2.0; 2 speaks twice as fast."""
    speaker: str | None = None
    """Name or number, for voices with several speakers."""
    viseme_set: VisemeSet = "basic"
    timing: Timing = "natural"
    cache: CacheUse = "use"
    speech_format: SpeechFormat | None = None
    """Also as an audio file of this format, sentence by sentence."""
    conversion: Conversion | None = None
    """What becomes of the voice."""
    lipsync: str = "phonemes"
    """Name of a file in the engines/ of the lipsync room; behind a space those that go on for it where it fails.
    What a user asks for ("auto", "") until it is chosen."""
    character: str = ""
    """The name that was asked for, where it stands for a voice and its conversion."""
    audio: str = ""
    """Name of an uploaded recording, which follows from its content; empty where a voice speaks."""
    language: str = ""
    """Of the recording, as in en_US or de; empty where nobody says."""
    video: Filming | None = None
    """Also as a video of a portrait that says it."""
