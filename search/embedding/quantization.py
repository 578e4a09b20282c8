"""Quantisation of a model's weights to int8 with a scale per row: a quarter of the memory, twice as fast.

OpenVINO then also quantises activations, in groups of numbers with a scale each, so that transformers' few large
activations don't dominate the others (per-group dynamic quantisation).
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from search.embedding.openvino_graph import constant, replace, shape

LARGE_GROUP, SMALL_GROUP = 128, 64
"""On two cores with AVX-512 VNNI a picture of ViT-B/32 takes 13.9 ms with groups of 128 or 256, and 15.3 with groups
of 64. Where 128 does not divide the width of the activations, multiplying takes a fifth to a half longer than with 64.
"""
_NEARLY_ALL = 0.9
_LARGE = 1_000
"""Rows from which quantising an embedding table is worth it."""
_STEPS = 127


def group_size(model: ov.Model) -> int:
    """Return the size of groups of activations that suits the multiplications of `model`: LARGE_GROUP, unless it does
    not divide the widths where SMALL_GROUP does."""
    widths: Counter[int] = Counter()
    for _operation, weights, axis in _multiplied(model):
        widths[weights.shape[axis]] += weights.size
    large, small = (
        sum(count for width, count in widths.items() if width % size == 0) for size in (LARGE_GROUP, SMALL_GROUP)
    )
    return LARGE_GROUP if large >= _NEARLY_ALL * small else SMALL_GROUP


def quantise(model: ov.Model) -> None:
    """Change the weights of `model` in place: of all multiplications with constants, and of large tables."""
    for operation, weights, axis in _multiplied(model):
        rounded, scale = _rounded(weights, axis)
        scaled = ops.multiply(ops.convert(ops.constant(rounded, dtype=np.int8), "f32"), ops.constant(scale))
        operation.input(1).replace_source_output(scaled.output(0))
    for operation in model.get_ordered_ops():
        if operation.get_type_name() == "Gather":
            table = _matrix(operation.input_value(0))
            if table is not None and len(table) >= _LARGE:
                _quantise_table(operation, table)
    model.validate_nodes_and_infer_types()


def _quantise_table(gather: ov.Node, table: npt.NDArray[np.float32]) -> None:
    rounded, scale = _rounded(table, 1)
    rows, axis = gather.input_value(1), ops.constant(np.int32(0))
    values = ops.convert(ops.gather(ops.constant(rounded, dtype=np.int8), rows, axis), "f32")
    scaled = ops.multiply(values, ops.gather(ops.constant(scale), rows, axis))
    replace(gather.output(0), scaled.output(0))


def _multiplied(model: ov.Model) -> Iterator[tuple[ov.Node, npt.NDArray[np.float32], int]]:
    """Yield the multiplications with constant matrices, these, and along which axis of them activations lie."""
    for operation in model.get_ordered_ops():
        if operation.get_type_name() == "MatMul" and (weights := _matrix(operation.input_value(1))) is not None:
            yield operation, weights, 1 if operation.get_attributes()["transpose_b"] else 0


def _matrix(output: ov.Output) -> npt.NDArray[np.float32] | None:
    """Return the matrix if an input is a constant one."""
    return constant(output) if len(shape(output)) == 2 else None


def _rounded(matrix: npt.NDArray[np.float32], axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return integers and scales whose product approximates `matrix`; one scale along `axis`."""
    scale = np.abs(matrix).max(axis=axis, keepdims=True) / _STEPS
    scale[scale == 0] = 1
    return np.rint(matrix / scale).astype(np.int8), scale.astype(np.float32)
