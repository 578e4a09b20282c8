"""The embedding of a picture's patches as a matrix multiplication.

Exported, it is a convolution of normalised pixels: in float, after two changes of their layout. As a multiplication it
is quantised like all others. Its input are the bytes, less 128: integers of 8 bits, without a rounding error.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from search.embedding.openvino_graph import constant, replace, shape, users

_CENTRE = 128
_BEFORE = ["Add", "Multiply", "Transpose", "Convert", "Parameter"]
"""The operations between the convolution and the pixels, as `ImageTower` normalises them."""


@dataclass(frozen=True)
class _Embedding:
    """Pixels, bytes of shape (count, height, width, 3) -> channels first -> `* scale + shift` -> convolution with
    `weights`, one for each patch -> `+ bias` = `embedded`, shape (count, channels, patches down, patches across)."""

    pixels: ov.Output
    scale: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    embedded: ov.Output


def multiply_patches(model: ov.Model) -> None:
    """Replace the convolution that embeds the patches, and the normalisation before it, in place. Leaves a model of
    another structure as it is."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and (found := _embedding(node)) and _is_for_rows(found.embedded):
            _multiply(found)
            model.validate_nodes_and_infer_types()


def _embedding(convolution: ov.Node) -> _Embedding | None:
    before = [convolution.input_value(0).get_node()]
    while len(before) < len(_BEFORE) and before[-1].get_input_size():
        before.append(before[-1].input_value(0).get_node())
    if [node.get_type_name() for node in before] != _BEFORE:
        return None
    pixels = before[-1].output(0)
    scale, shift = constant(before[1].input_value(1)), constant(before[0].input_value(1))
    weights = constant(convolution.input_value(1))
    if scale is None or shift is None or weights is None or pixels.get_element_type() != ov.Type.u8:
        return None
    embedded, bias = convolution.output(0), np.zeros(len(weights), dtype=np.float32)
    following = users(embedded)
    if len(following) == 1 and following[0].get_type_name() == "Add":
        added = constant(following[0].input_value(1))
        if added is None or added.size != len(weights):
            return None
        embedded, bias = following[0].output(0), added.reshape(-1)
    found = _Embedding(pixels, scale, shift, weights, bias, embedded)
    return found if _tiles(convolution, found) else None


def _tiles(convolution: ov.Node, found: _Embedding) -> bool:
    """Whether the convolution multiplies each pixel once: patches lie side by side and cover the picture."""
    given = convolution.get_attributes()
    channels, colours, *patch = found.weights.shape
    _, *sides, depth = shape(found.pixels)
    return (
        list(given["strides"]) == patch
        and set(given["dilations"]) == {1}
        and not any([*given["pads_begin"], *given["pads_end"]])
        and shape(found.embedded) == [-1, channels, *(side // size for side, size in zip(sides, patch, strict=True))]
        and all(side % size == 0 for side, size in zip(sides, patch, strict=True))
        and found.scale.size == found.shift.size == colours == depth
    )


def _is_for_rows(embedded: ov.Output) -> bool:
    """Whether the patches are only used as rows, shape (count, patches, channels)."""
    _, channels, down, across = shape(embedded)
    for user in users(embedded):
        if user.get_type_name() == "ShapeOf":
            continue
        following = users(user.output(0))
        if user.get_type_name() != "Reshape" or shape(user.output(0)) != [-1, channels, down * across]:
            return False
        if [node.get_type_name() for node in following] != ["Transpose"]:
            return False
        order = constant(following[0].input_value(1))
        if order is None or order.tolist() != [0, 2, 1]:
            return False
    return True


def _multiply(found: _Embedding) -> None:
    channels, colours, high, wide = found.weights.shape
    _, _, down, across = shape(found.embedded)
    patches = ops.reshape(found.pixels, np.array([0, down, high, across, wide * colours]), special_zero=True)
    patches = ops.transpose(patches, np.array([0, 1, 3, 2, 4]))
    patches = ops.reshape(patches, np.array([0, down * across, high * wide * colours]), special_zero=True)
    centred = ops.subtract(ops.convert(patches, "f32"), np.float32(_CENTRE))
    scale, shift = (values.astype(np.float64).reshape(-1, 1, 1) for values in (found.scale, found.shift))
    weights = (found.weights * scale).transpose(0, 2, 3, 1).reshape(channels, -1)
    bias = (found.weights * (shift + _CENTRE * scale)).sum(axis=(1, 2, 3)) + found.bias
    product = ops.matmul(centred, ops.constant(weights.astype(np.float32)), False, True)
    rows = ops.add(product, ops.constant(bias.astype(np.float32).reshape(1, 1, channels)))
    for user in users(found.embedded):
        if user.get_type_name() == "ShapeOf":
            kind = user.get_output_element_type(0)
            count = ops.gather(ops.shape_of(found.pixels, kind.get_type_name()), np.array([0]), np.int64(0))
            rest = ops.constant(np.array([channels, down, across]), dtype=kind)
            replace(user.output(0), ops.concat([count, rest], 0).output(0))
        else:
            replace(users(user.output(0))[0].output(0), rows.output(0))
