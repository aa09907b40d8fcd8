"""What must not grow, crash or stay: memory, espeak-ng, voices that were let go."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import psutil
import pytest

from deployments.tts.engines.piper import _MAX_PHONEMES, _parts
from tests.deployments.conftest import Piper

STOPS = ["A." * 100, "é." * 49, "I.V." * 49, "U.S.A." * 35, "a.b." * 52, "e.g. " * 60, "你." * 66, "1.2." * 60]


def test_many_full_stops_do_not_kill_the_process() -> None:
    """espeak-ng writes beyond its buffers on these; in a process of its own, because it would take the tests along."""
    code = f"""if True:
        from deployments.tts.contract import Sentence
        from deployments.tts.engines.piper import Engine, Options, _phonemize
        engine = Engine(Options())
        voice = engine.load(engine.default_voice)
        for text in {STOPS}:
            print("After", ascii(text[:5]), flush=True)
            for _ in range(20):
                assert _phonemize(voice, text)
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-500:]


def test_few_full_stops_are_left_alone(piper: Piper) -> None:
    assert [word.text for word in piper.say("It is 3.14, not 2.71.").words] == ["It", "is", "3.14", "not", "2.71"]


def test_a_very_long_sentence_is_spoken_in_parts(piper: Piper) -> None:
    speech = piper.say("😀 " * 100)
    assert speech.phonemes[-1].end_s == speech.audio.duration_s > 20
    assert all(a.end_s == b.start_s for a, b in zip(speech.phonemes, speech.phonemes[1:], strict=False))
    assert len(speech.words) == 100


@pytest.mark.parametrize("phonemes", [["a"] * 1000, ["a", " "] * 600, [], ["a"] * _MAX_PHONEMES])
def test_parts_are_short_and_lose_nothing(phonemes: list[str]) -> None:
    parts = list(_parts(list(phonemes)))
    assert [symbol for part in parts for symbol in part] == phonemes
    assert all(0 < len(part) <= _MAX_PHONEMES for part in parts)


def test_a_long_sentence_gives_its_memory_back(piper: Piper) -> None:
    piper.say("Warm.")
    before = psutil.Process().memory_info().rss
    piper.say("The quick brown fox jumps over the lazy dog again and again. " * 4, speed=0.5)
    assert psutil.Process().memory_info().rss - before < 150 * 2**20


def test_a_voice_that_is_let_go_is_freed(piper: Piper) -> None:
    voice = piper.engine.load(piper.voice.info.voice_id)
    voice.pronounce("hello")
    gone = weakref.ref(voice)
    del voice
    gc.collect()
    assert gone() is None
