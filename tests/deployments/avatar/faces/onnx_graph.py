"""Writes a TensorFlow Lite graph as an ONNX one, for convert.py: the operators that the two models of a face use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .tflite_graph import Graph, Operator

OPSET = 20
"""The first with today's GridSample."""


class Converter:
    """Writes one graph. Tensor i of the source is called t<i>, channels first where it has four axes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._values: dict[int, NDArray[Any]] = {}
        self.subsets: dict[int, list[int]] = {}
        """Matrix -> the points of the mesh around which it crops."""

    def node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Adds one; returns the name of its output."""
        output = output or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, value: NDArray[Any]) -> str:
        """Name of a stored array; 16-bit weights are widened behind it."""
        digest = hashlib.sha256(value.tobytes() + str((value.dtype, value.shape)).encode()).hexdigest()[:12]
        if f"c{digest}" not in self._constants:
            self._constants[f"c{digest}"] = numpy_helper.from_array(np.ascontiguousarray(value), f"c{digest}")
            if value.dtype == np.float16:
                self.node("Cast", [f"c{digest}"], f"w{digest}", to=TensorProto.FLOAT)
        return f"{'w' if value.dtype == np.float16 else 'c'}{digest}"

    def numbers(self, *values: float) -> str:
        """A stored row of float32."""
        return self.constant(np.array(values, np.float32))

    def indices(self, *values: int) -> str:
        """A stored row of int64."""
        return self.constant(np.array(values, np.int64))

    def value(self, index: int) -> NDArray[Any]:
        """Of a tensor that is known before the graph runs.

        Raises:
            ValueError: it is computed.
        """
        stored = self._values.get(index)
        stored = self.graph.constant(index) if stored is None else stored
        if stored is None:
            raise ValueError(f"tensor {index} is computed")
        return stored

    def convert(self) -> None:
        """Adds all operators.

        Raises:
            KeyError: one that is not known here.
        """
        for operator in self.graph.operators():
            {
                "DEQUANTIZE": self._dequantize,
                "CONV_2D": self._convolution,
                "DEPTHWISE_CONV_2D": self._convolution,
                "MAX_POOL_2D": self._pooling,
                "PRELU": self._prelu,
                "RELU": self._plain,
                "ADD": self._plain,
                "MUL": self._multiplication,
                "PAD": self._padding,
                "RESHAPE": self._reshape,
                "STRIDED_SLICE": self._whole_slice,
                "CONCATENATION": self._concatenation,
                "Landmarks2TransformMatrix": self._matrix_of_landmarks,
                "TransformTensorBilinear": self._crop,
                "TransformLandmarks": self._transform,
            }[operator.name](operator)

    def model(self, outputs: dict[str, tuple[int, ...]], metadata: dict[str, str]) -> onnx.ModelProto:
        """The finished file; `outputs` are names of tensors and their shapes."""
        batch, height, width, channels = self.graph.shape(self.graph.inputs[0])
        shape = (batch, channels, height, width)
        graph = helper.make_graph(
            self._nodes,
            "face",
            [helper.make_tensor_value_info(f"t{self.graph.inputs[0]}", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in outputs.items()],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="avatar-serve")
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _dequantize(self, operator: Operator) -> None:
        self._values[operator.outputs[0]] = self.value(operator.inputs[0])

    def _plain(self, operator: Operator) -> None:
        kind = {"RELU": "Relu", "ADD": "Add"}[operator.name]
        self.node(kind, [f"t{index}" for index in operator.inputs], f"t{operator.outputs[0]}")

    def _pads(self, operator: Operator, kernel: Sequence[int]) -> dict[str, Any]:
        """As TensorFlow: what does not come out even goes to the end."""
        options = operator.options
        strides = (options.StrideH(), options.StrideW())
        before, after = [], []
        for size, edge, stride in zip(self.graph.shape(operator.inputs[0])[1:3], kernel, strides, strict=True):
            total = max((-(-size // stride) - 1) * stride + edge - size, 0) if options.Padding() == 0 else 0
            before.append(total // 2)
            after.append(total - total // 2)
        return {"kernel_shape": list(kernel), "strides": strides, "pads": before + after}

    def _convolution(self, operator: Operator) -> None:
        weights, bias = self.value(operator.inputs[1]), self.value(operator.inputs[2])
        alone = operator.name == "DEPTHWISE_CONV_2D"
        stored = weights.transpose(3, 0, 1, 2) if alone else weights.transpose(0, 3, 1, 2)
        inputs = [f"t{operator.inputs[0]}", self.constant(stored), self.constant(bias)]
        group = weights.shape[3] if alone else 1
        self.node("Conv", inputs, f"t{operator.outputs[0]}", group=group, **self._pads(operator, weights.shape[1:3]))

    def _pooling(self, operator: Operator) -> None:
        kernel = (operator.options.FilterHeight(), operator.options.FilterWidth())
        self.node("MaxPool", [f"t{operator.inputs[0]}"], f"t{operator.outputs[0]}", **self._pads(operator, kernel))

    def _prelu(self, operator: Operator) -> None:
        slope = self.value(operator.inputs[1]).reshape(-1, 1, 1)
        self.node("PRelu", [f"t{operator.inputs[0]}", self.constant(slope)], f"t{operator.outputs[0]}")

    def _multiplication(self, operator: Operator) -> None:
        factor = self.constant(self.value(operator.inputs[1]))
        self.node("Mul", [f"t{operator.inputs[0]}", factor], f"t{operator.outputs[0]}")

    def _padding(self, operator: Operator) -> None:
        pads = self.value(operator.inputs[1])[[0, 3, 1, 2]].T.ravel()
        self.node("Pad", [f"t{operator.inputs[0]}", self.indices(*pads)], f"t{operator.outputs[0]}")

    def _reshape(self, operator: Operator) -> None:
        source = f"t{operator.inputs[0]}"
        if len(self.graph.shape(operator.inputs[0])) == 4:
            source = self.node("Transpose", [source], perm=[0, 2, 3, 1])
        shape = self.graph.shape(operator.outputs[0])
        self.node("Reshape", [source, self.indices(*shape)], f"t{operator.outputs[0]}")

    def _whole_slice(self, operator: Operator) -> None:
        if self.graph.shape(operator.inputs[0]) != self.graph.shape(operator.outputs[0]):
            raise ValueError("a slice that leaves something out")
        self.node("Identity", [f"t{operator.inputs[0]}"], f"t{operator.outputs[0]}")

    def _concatenation(self, operator: Operator) -> None:
        self.node("Concat", [f"t{index}" for index in operator.inputs], f"t{operator.outputs[0]}", axis=1)

    def _matrix_of_landmarks(self, operator: Operator) -> None:
        """(1, 4, 4): from a pixel of the crop around a part of the face to one of the feature map."""
        options = operator.options
        self.subsets[operator.outputs[0]] = list(options["subset_idxs"])
        points = self.node("Squeeze", [f"t{operator.inputs[0]}", self.indices(0)])
        points = self.node("Slice", [points, *(self.indices(n) for n in (0, 2, 1))])  # (468, 2)
        ends = [
            self.node("Gather", [points, self.indices(options[f"{side}_rotation_idx"])]) for side in ("left", "right")
        ]
        along = self.node("Sub", [ends[1], ends[0]])  # (1, 2)
        along = self.node("Div", [along, self.node("ReduceL2", [along])])
        # Rows of the rotation that makes `along` horizontal: (c, s) and (-s, c).
        across = self.node("Mul", [self.node("Gather", [along, self.indices(1, 0)], axis=1), self.numbers(-1, 1)])
        turn = self.node("Concat", [along, across], axis=0)  # (2, 2)
        part = self.node("Gather", [points, self.indices(*options["subset_idxs"])])
        turned = self.node("MatMul", [part, self.node("Transpose", [turn], perm=[1, 0])])
        high = self.node("ReduceMax", [turned, self.indices(0)], keepdims=1)
        low = self.node("ReduceMin", [turned, self.indices(0)], keepdims=1)
        middle = self.node("MatMul", [self.node("Mul", [self.node("Add", [high, low]), self.numbers(0.5)]), turn])
        size = (options["output_width"], options["output_height"])
        factors = self.numbers(options["scale_x"] / size[0], options["scale_y"] / size[1])
        scale = self.node("Mul", [self.node("Sub", [high, low]), factors])  # (1, 2)
        linear = self.node("Mul", [self.node("Transpose", [turn], perm=[1, 0]), scale])  # (2, 2)
        back = self.node("MatMul", [linear, self.constant(np.array([[-size[0] / 2], [-size[1] / 2]], np.float32))])
        shift = self.node("Add", [self.node("Transpose", [middle], perm=[1, 0]), back])
        rows = self.node("Concat", [linear, self.constant(np.zeros((2, 1), np.float32)), shift], axis=1)  # (2, 4)
        whole = self.node("Concat", [rows, self.constant(np.eye(4, dtype=np.float32)[2:])], axis=0)
        self.node("Unsqueeze", [whole, self.indices(0)], f"t{operator.outputs[0]}")

    def _rows(self, matrix: str, columns: Sequence[int]) -> str:
        """(2, n) of a (1, 4, 4) matrix."""
        rows = self.node("Gather", [self.node("Squeeze", [matrix, self.indices(0)]), self.indices(0, 1)])
        return self.node("Gather", [rows, self.indices(*columns)], axis=1)

    def _affine(self, matrix: str, points: str) -> str:
        """(N, 2) of (N, 2)."""
        linear = self.node("Transpose", [self._rows(matrix, (0, 1))], perm=[1, 0])
        shift = self.node("Transpose", [self._rows(matrix, (3,))], perm=[1, 0])
        return self.node("Add", [self.node("MatMul", [points, linear]), shift])

    def _crop(self, operator: Operator) -> None:
        """Bilinear, pixel centres at .5; 0 where a point lies outside the outermost centres."""
        _, height, width, _ = self.graph.shape(operator.inputs[0])
        rows, columns = operator.options["output_height"], operator.options["output_width"]
        centres = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), axis=-1)
        flat = self.constant(centres.reshape(-1, 2).astype(np.float32))
        places = self._affine(f"t{operator.inputs[1]}", flat)  # of the feature map, in pixels
        grid = self.node("Sub", [self.node("Mul", [places, self.numbers(2 / width, 2 / height)]), self.numbers(1)])
        grid = self.node("Reshape", [grid, self.indices(1, rows, columns, 2)])
        sampled = self.node("GridSample", [f"t{operator.inputs[0]}", grid], mode="linear", padding_mode="zeros")
        above = self.node("GreaterOrEqual", [places, self.numbers(0.5)])
        below = self.node("LessOrEqual", [places, self.numbers(width - 0.5, height - 0.5)])
        inside = self.node("Cast", [self.node("And", [above, below])], to=TensorProto.FLOAT)
        inside = self.node("ReduceMin", [inside, self.indices(1)], keepdims=0)
        mask = self.node("Reshape", [inside, self.indices(1, 1, rows, columns)])
        self.node("Mul", [sampled, mask], f"t{operator.outputs[0]}")

    def _transform(self, operator: Operator) -> None:
        points = self.node("Squeeze", [f"t{operator.inputs[0]}", self.indices(0)])
        moved = self._affine(f"t{operator.inputs[1]}", points)
        self.node("Unsqueeze", [moved, self.indices(0)], f"t{operator.outputs[0]}")
