"""Computation for tokens that are not used: where one token of the last layer becomes the vector, as in CLIP's image
towers, the others are only keys and values in that layer."""

from collections.abc import Mapping

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from search.embedding.openvino_graph import constant, shape

_UNARY = {"Abs", "Elu", "Erf", "Exp", "Gelu", "HSwish", "Negative", "Relu", "Sigmoid", "SoftPlus", "Swish", "Tanh"}
_BINARY = {"Add", "Divide", "Multiply", "Power", "Subtract"}

Port = tuple[str, int]
"""An input: the node's name and the number."""


def skip_unused_tokens(model: ov.Model) -> None:
    """Compute one token only wherever no other is used, in place."""
    for node in model.get_ordered_ops():
        if (index := _token_taken(node)) is not None:
            _skip(model, node, index)
            model.validate_nodes_and_infer_types()


def _token_taken(node: ov.Node) -> int | None:
    """Return the number of the token if the node takes one of a known number: a constant index along axis 1 of 3."""
    if node.get_type_name() != "Gather":
        return None
    lengths, index, axis = shape(node.input_value(0)), constant(node.input_value(1)), constant(node.input_value(2))
    if index is None or axis is None or index.size != 1 or axis.tolist() != 1:
        return None
    if len(lengths) != 3 or lengths[1] < 1:
        return None
    return int(index.item()) % lengths[1]


def _skip(model: ov.Model, gather: ov.Node, index: int) -> None:
    """Compute only the token `index`, which is all that `gather` takes."""
    ordered = model.get_ordered_ops()
    selecting: dict[Port, int] = {(gather.get_name(), 0): 1}
    for node in reversed(ordered):
        axis = _only_axis(node, selecting)
        for number, of_input in _inputs_by_token(node, axis).items() if axis is not None else ():
            selecting[node.get_name(), number] = of_input
    narrowed = {name for name, _ in selecting} - {gather.get_name()}
    for node in ordered:
        if node.get_name() in narrowed and node.get_type_name() == "Reshape":
            _narrow_reshape(node, selecting)
    for node in ordered:
        for number in range(node.get_input_size()):
            source, axis = node.input_value(number), selecting.get((node.get_name(), number))
            if axis is not None and source.get_node().get_name() not in narrowed:
                bounds = (np.array([value]) for value in (index, index + 1, 1, axis))
                node.input(number).replace_source_output(ops.slice(source, *bounds).output(0))
    # What it takes has one token now.
    zero = np.zeros(shape(gather.input_value(1)), dtype=np.int64)
    gather.input(1).replace_source_output(ops.constant(zero).output(0))


def _only_axis(node: ov.Node, selecting: Mapping[Port, int]) -> int | None:
    """Return the axis of tokens of a node's output if all that takes it needs the same one of them only."""
    if node.get_output_size() != 1:
        return None
    taking = [(port.get_node().get_name(), port.get_index()) for port in node.output(0).get_target_inputs()]
    taken = {selecting.get(port) for port in taking}
    return taken.pop() if len(taken) == 1 else None


def _inputs_by_token(node: ov.Node, axis: int) -> dict[int, int]:
    """Return the inputs of which a token of the output, along `axis`, needs only the same one: their axes by number.

    {} if there are none, or the operation is not known.
    """
    kind, rank = node.get_type_name(), len(shape(node.output(0)))
    if kind in _UNARY:
        return {0: axis}
    if kind in _BINARY:
        return _of_both(node, axis)
    if kind == "MVN":
        axes = constant(node.input_value(1))
        return {0: axis} if axes is not None and axis not in axes % rank else {}
    if kind == "Softmax":
        return {0: axis} if node.get_attributes()["axis"] % rank != axis else {}
    if kind == "MatMul":
        is_row = axis == rank - 2 and not node.get_attributes()["transpose_a"]
        return {0: axis} if is_row and len(shape(node.input_value(0))) == rank else {}
    if kind == "ScaledDotProductAttention":
        has_mask = node.get_input_size() > 3 and shape(node.input_value(3)) != []
        return {0: axis} if axis == rank - 2 and not has_mask and not node.get_attributes()["causal"] else {}
    if kind == "Transpose":
        order = constant(node.input_value(1))
        return {0: int(order[axis])} if order is not None else {}
    if kind == "Reshape":
        start, end = shape(node.input_value(0))[: axis + 1], shape(node.output(0))
        is_same = start == end[: axis + 1] and end.count(-1) == 1 and end[0] == -1
        return {0: axis} if is_same else {}
    return {}


def _of_both(node: ov.Node, axis: int) -> dict[int, int]:
    """As `_inputs_by_token`, for an operation on two inputs that may be broadcast."""
    whole = shape(node.output(0))
    inputs = {}
    for number in (0, 1):
        own = shape(node.input_value(number))
        if own == whole:
            inputs[number] = axis
        elif constant(node.input_value(number)) is None or [1, *own][max(0, 1 + axis - len(whole) + len(own))] != 1:
            return {}
    return inputs


def _narrow_reshape(node: ov.Node, selecting: Mapping[Port, int]) -> None:
    lengths = shape(node.output(0))
    lengths[0], lengths[selecting[node.get_name(), 0]] = 0, 1
    node.input(1).replace_source_output(ops.constant(np.array(lengths)).output(0))
    node.set_attribute("special_zero", True)
