"""Speech as one audio file of the format that a client asks for, sent sentence by sentence."""

from __future__ import annotations

from deployments.core.types import AudioClip, SpeechFormat

from .encoding import OPUS, CodedFile, Coding

MEDIA_TYPES: dict[SpeechFormat, str] = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "pcm": "audio/pcm",
}
"""Content-Type of each format."""

PCM_RATE = 24_000
"""Hertz that clients of OpenAI's API take headerless samples for."""
MP3_RATE = 44_100
"""Hertz: what LAME adds at both ends is at most 51 ms here, and twice that at the voices' 22,050."""

_CODINGS: dict[SpeechFormat, Coding] = {
    # Without FFmpeg's name in it, the header is the 44 bytes that simple clients skip.
    "wav": Coding(codec="pcm_s16le", container="wav", container_options={"fflags": "+bitexact"}),
    "mp3": Coding(
        codec="libmp3lame",
        container="mp3",
        rate=MP3_RATE,
        bit_rate=64_000,  # 8 KB a second: what 128 kbit/s are to stereo
        codec_options={"compression_level": "5"},  # two thirds of the time of LAME's own choice
        container_options={"id3v2_version": "0"},  # sound from the first byte
        min_s=0.02,  # less comes out as nothing
    ),
    "opus": OPUS,
    # 8 KB of room for tags that nobody will write, unless told otherwise.
    "flac": Coding(codec="flac", container="flac", container_options={"metadata_header_padding": "0"}),
    "pcm": Coding(codec="pcm_s16le", container="s16le", rate=PCM_RATE),
}


class SpeechFile(CodedFile):
    """A file that a listener can start to play after the first sentence. Blocking: call it off the event loop.

    What `append` and `finish` return is one file. A codec keeps up to 0.15 s of a sentence back until more sound
    or the end comes. Header fields for lengths say "unknown": 0xFFFFFFFF in WAV, 0 in FLAC.
    WAV and FLAC hold the voice's samples as 16 bits at its own rate.
    """

    def __init__(self, format: SpeechFormat, sample_rate: int) -> None:
        """
        Args:
            format: the kind of file.
            sample_rate: Hertz of all clips that follow.

        Raises:
            EncodingError: the codec does not take the rate.
        """
        super().__init__(_CODINGS[format], sample_rate, streams=True)


def whole(format: SpeechFormat, clip: AudioClip) -> bytes:
    """The file of a finished render: as SpeechFile's, but with the right lengths in its header. Blocking.

    Raises:
        EncodingError: the codec failed.
    """
    file = CodedFile(_CODINGS[format], clip.sample_rate)
    file.append(clip)
    return file.finish()
