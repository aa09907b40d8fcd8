"""The two models, which ship in models/."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray


class Session:
    """One model on one thread: it takes a few milliseconds a picture, and others want the cores too."""

    def __init__(self, name: str) -> None:
        """
        Args:
            name: of a file in models/.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = files("deployments.avatar.faces") / "models" / name
        self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def run(self, outputs: Sequence[str], picture: NDArray[np.float32]) -> list[NDArray[Any]]:
        """Outputs by name, each with a first axis of 1.

        Args:
            outputs: names.
            picture: (H, W, 3) float32, as large as the model wants it.
        """
        channels_first = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
        found: list[NDArray[Any]] = self._session.run(list(outputs), {self._input: channels_first})
        return found
