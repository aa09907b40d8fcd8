"""Loads a Piper voice so that its graph also returns the durations that it computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnxruntime.capi import onnxruntime_pybind11_state as runtime
from piper import PiperConfig, PiperVoice
from piper.patch_voice_with_alignment import add_alignment_output

from deployments.core.errors import SynthesisFailed

RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NotImplemented,
    runtime.RuntimeException,
    ValueError,
)
"""What a session raises: ONNX Runtime's errors have no common base, and an input that is missing is a ValueError."""


def load_voice(model: Path, threads: int) -> PiperVoice:
    """A voice whose session returns [audio, frames per phoneme id].

    The extra output costs nothing at run time and leaves the audio as it was, bit for bit.

    Args:
        model: the .onnx file; its config lies beside it as .onnx.json.
        threads: ONNX intra-op threads.

    Raises:
        SynthesisFailed: the files are damaged, or the graph does not compute durations in Piper's way.
    """
    try:
        config = PiperConfig.from_dict(json.loads(Path(f"{model}.json").read_text(encoding="utf-8")))
        session = onnxruntime.InferenceSession(
            _graph_with_durations(model), session_options(threads), providers=["CPUExecutionProvider"]
        )
    except (OSError, LookupError, TypeError, DecodeError, *RUNTIME_ERRORS) as error:
        raise SynthesisFailed(f"{model} cannot be loaded: {type(error).__name__}: {error}") from error
    return PiperVoice(session=_Session(session), config=config, download_dir=model.parent)


class _Session:
    """A session that gives its working memory back after each call.

    Without that it keeps what the longest sentence ever needed: 1154 MB instead of 269 after 300 characters at half
    speed. A call costs no more for it (measured: 168-184 ms against 176-191).
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._options = onnxruntime.RunOptions()
        self._options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(self, outputs: list[str] | None, inputs: dict[str, Any]) -> list[Any]:
        """As InferenceSession.run."""
        results: list[Any] = self._session.run(outputs, inputs, self._options)
        return results


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Threads that do not spin: a spinning pool of an idle replica takes the cores of the busy one."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _graph_with_durations(model: Path) -> bytes:
    graph = onnx.load(str(model))
    if len(graph.graph.output) == 1:
        add_alignment_output(graph)
    serialized: bytes = graph.SerializeToString()
    return serialized
