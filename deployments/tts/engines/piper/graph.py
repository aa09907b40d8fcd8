"""Loads a Piper voice so that its graph also returns the durations that it computes."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnxruntime
from piper import PiperConfig, PiperVoice
from piper.patch_voice_with_alignment import add_alignment_output

from deployments.core.errors import SynthesisFailed


def load_voice(model: Path, threads: int) -> PiperVoice:
    """A voice whose session returns [audio, frames per phoneme id].

    The extra output costs nothing at run time and leaves the audio as it was, bit for bit.

    Args:
        model: the .onnx file; its config lies beside it as .onnx.json.
        threads: ONNX intra-op threads.

    Raises:
        SynthesisFailed: the graph does not compute durations in Piper's way.
    """
    config = PiperConfig.from_dict(json.loads(Path(f"{model}.json").read_text(encoding="utf-8")))
    session = onnxruntime.InferenceSession(
        _graph_with_durations(model), session_options(threads), providers=["CPUExecutionProvider"]
    )
    return PiperVoice(session=session, config=config, download_dir=model.parent)


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
        try:
            add_alignment_output(graph)
        except ValueError as error:
            raise SynthesisFailed(f"{model.name}: no durations in this graph ({error})") from error
    serialized: bytes = graph.SerializeToString()
    return serialized
