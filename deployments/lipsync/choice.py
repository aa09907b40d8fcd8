"""Which engine reads a speech: what was asked for, where it can; else the best that the input allows."""

from __future__ import annotations

from collections.abc import Collection

from deployments.core.errors import BadInput

AUTO = "auto"
FROM_TIMES, FROM_TEXT, FROM_SOUND, OTHER = "phonemes", "align", "recognize", "rhubarb"
_SPOKEN, _WITH_TEXT, _ALONE = (FROM_TIMES,), (FROM_TEXT, FROM_SOUND), (FROM_SOUND,)
"""Best first. OTHER is taken where it is named alone: it is slower than ours and right less often."""
WHOLE = frozenset({FROM_TEXT, OTHER})
"""Engines that make use of a recording's text, and so take it whole; for the others it is cut."""
MAX_WHOLE_S = 1800.0
"""Seconds of a recording that is taken whole: 5000 characters are six minutes of speech, pauses and music may be more;
half an hour takes 173 MB."""


def choose(
    asked: str, configured: Collection[str], preferred: str, falls_back: bool, recorded: bool, has_text: bool
) -> str:
    """Names of engines with spaces between: the first is to read, each further one where those before it fail.

    Args:
        asked: by the user; AUTO or empty: whatever is best.
        configured: names of the engines that there are.
        preferred: by the settings, among those that the input allows; or AUTO.
        falls_back: whether AUTO goes on with the next best.
        recorded: it was not spoken by a voice of ours, with its phoneme times.
        has_text: it is known what is said.

    Raises:
        BadInput: the engine that is asked for is not there, or cannot; or none can.
    """
    if asked not in {"", AUTO}:
        _check(asked, configured, recorded, has_text)
        return asked
    best = (_WITH_TEXT if has_text else _ALONE) if recorded else _SPOKEN + _WITH_TEXT
    known = [name for name in best if name in configured]
    if preferred in configured and not _fault(preferred, recorded, has_text):
        known = [preferred, *(name for name in known if name != preferred)]
    if not known:
        raise BadInput(
            "lipsync: no engine of this server takes such a recording.",
            hint="Name align or recognize under args.voice.lipsync.engines of the config file, or send the text.",
        )
    return " ".join(known if recorded and falls_back else known[:1])


def _check(name: str, configured: Collection[str], recorded: bool, has_text: bool) -> None:
    if name not in configured:
        raise BadInput(
            f"lipsync: this server has no engine {name[:40]!r}.", hint=f"Allowed: {', '.join((AUTO, *configured))}."
        )
    if fault := _fault(name, recorded, has_text):
        raise BadInput(f"lipsync: {fault}", hint="Send the text, or choose recognize." if name == FROM_TEXT else _HINT)


_HINT = "Leave lipsync out for the best that the recording allows."


def _fault(name: str, recorded: bool, has_text: bool) -> str:
    """Why an engine cannot read such a speech; empty: it can."""
    if name == FROM_TIMES and recorded:
        return "a recording has no phoneme times for the engine phonemes."
    if name == FROM_TEXT and not has_text:
        return "the engine align needs the text of the recording."
    return ""
