"""Reading and changing graphs of OpenVINO."""

import numpy as np
import numpy.typing as npt
import openvino as ov


def constant(output: ov.Output) -> npt.NDArray[np.float32] | None:
    """Return its value if it is a constant."""
    node = output.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    values: npt.NDArray[np.float32] = node.get_data().astype(np.float32)
    return values


def shape(output: ov.Output) -> list[int]:
    """Return its dimensions, -1 for those that vary; [] for a scalar, or if not even their number is known."""
    found = output.get_partial_shape()
    if found.rank.is_dynamic:
        return []
    return [length.get_length() if length.is_static else -1 for length in found]


def users(output: ov.Output) -> list[ov.Node]:
    """Return the nodes that take it."""
    return [port.get_node() for port in output.get_target_inputs()]


def replace(output: ov.Output, other: ov.Output) -> None:
    """Let all that takes `output` take `other`."""
    for port in list(output.get_target_inputs()):
        port.replace_source_output(other)
