"""Models: pictures and texts in, unit vectors out. The only room that imports torch and OpenVINO, late and once.

Imports `text`, `imaging`, `monitoring`, `decoding`, `models`, `objects` and `demo`. Verbs: `picture_encoder`,
`text_encoder`, `text_vector`, `active_model`, `compile_pictures`, `compile_texts`.
"""

import sys

from search.embedding.background_compiling import stop_compiling
from search.embedding.compiled_store import forget_compiled
from search.embedding.compiling import compile_pictures, compile_texts
from search.embedding.dimension_checks import misfits, require_fit, require_stored
from search.embedding.downloading import download_models
from search.embedding.encoding_status import encoding
from search.embedding.errors import Busy, Loading, ModelUnavailable
from search.embedding.guarded_encoders import doing_meanwhile
from search.embedding.hub import models_available
from search.embedding.loading import (
    active_encoders,
    backends,
    encoders_of,
    forget,
    forget_models,
    load_before_forking,
    picture_encoder,
    start_serving,
    status,
    text_encoder,
    warm_up,
)
from search.embedding.model_identity import (
    active_model,
    active_pair,
    identity_of,
    is_demo_model,
    text_model,
    text_models,
)
from search.embedding.model_reloading import follow_switches, forget_unused, other_picture_encoder
from search.embedding.protocol import Picture, PictureEncoder
from search.embedding.text_vectors import MAX_TEXT_LENGTH, is_remembered, text_vector
from search.models.active_pair import Pair

# OpenVINO 2026.4 reports each `import` and each conversion to its maker if this package is installed, and then can't
# be imported by a user without a home directory. This disables it; nothing above has imported it.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

__all__ = [
    "MAX_TEXT_LENGTH",
    "Busy",
    "Loading",
    "ModelUnavailable",
    "Pair",
    "Picture",
    "PictureEncoder",
    "active_encoders",
    "active_model",
    "active_pair",
    "backends",
    "compile_pictures",
    "compile_texts",
    "doing_meanwhile",
    "download_models",
    "encoders_of",
    "encoding",
    "follow_switches",
    "forget",
    "forget_compiled",
    "forget_models",
    "forget_unused",
    "identity_of",
    "is_demo_model",
    "is_remembered",
    "load_before_forking",
    "misfits",
    "models_available",
    "other_picture_encoder",
    "picture_encoder",
    "require_fit",
    "require_stored",
    "start_serving",
    "status",
    "stop_compiling",
    "text_encoder",
    "text_model",
    "text_models",
    "text_vector",
    "warm_up",
]
