"""OpenVINO without its converter, which a third of the time of its import goes to, and only compiling needs.

`openvino` takes it for not installed; whoever needs it imports `openvino.tools.ovc`.
"""

import sys

_CONVERTER = "openvino.tools.ovc"

_is_first = _CONVERTER not in sys.modules
if _is_first:
    sys.modules[_CONVERTER] = None  # type: ignore[assignment] # imports of it raise ImportError
try:
    import openvino as ov
    from openvino import properties
    from openvino.properties import hint
finally:
    if _is_first:
        del sys.modules[_CONVERTER]

__all__ = ["hint", "ov", "properties"]
