"""The TensorFlow Lite graphs that convert.py reads, as plain values.

Needs the packages `tflite` (the schema of the format) and `flatbuffers`, which nothing else here does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite  # type: ignore[import-not-found]
from flatbuffers import flexbuffers  # type: ignore[import-untyped]
from numpy.typing import NDArray

_TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
_OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
}
_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}


@dataclass(frozen=True, eq=False)
class Operator:
    """One step of a graph."""

    name: str
    """Of a built-in operator, or the own name of a custom one."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    """The schema's object of a convolution or a pooling, a dict of a custom operator, else None."""


class Graph:
    """The first subgraph of a model."""

    def __init__(self, data: bytes) -> None:
        self._model = tflite.Model.GetRootAsModel(data, 0)
        self._graph = self._model.Subgraphs(0)

    @property
    def inputs(self) -> list[int]:
        """Indices of tensors."""
        return [int(index) for index in self._graph.InputsAsNumpy()]

    def outputs(self) -> dict[str, int]:
        """Name -> index of a tensor."""
        return {self._graph.Tensors(int(index)).Name().decode(): int(index) for index in self._graph.OutputsAsNumpy()}

    def shape(self, index: int) -> tuple[int, ...]:
        """Of a tensor: channels last."""
        tensor = self._graph.Tensors(index)
        return tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()

    def constant(self, index: int) -> NDArray[Any] | None:
        """Values of a tensor that is stored in the file; else None."""
        tensor = self._graph.Tensors(index)
        buffer = self._model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), _TYPES[tensor.Type()]).reshape(self.shape(index))

    def operators(self) -> Iterator[Operator]:
        """In the order of their running."""
        for position in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(position)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            name = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            options: Any = None
            if name == "CUSTOM":
                name = code.CustomCode().decode()
                stored = operator.CustomOptionsAsNumpy()
                options = flexbuffers.Loads(bytes(stored)) if operator.CustomOptionsLength() else {}
            elif name in _OPTIONS:
                options = _OPTIONS[name]()
                options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
            inputs, outputs = operator.InputsAsNumpy(), operator.OutputsAsNumpy()
            yield Operator(name, tuple(map(int, inputs)), tuple(map(int, outputs)), options)
