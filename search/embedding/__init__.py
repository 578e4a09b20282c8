"""The only room that knows torch: pictures and words in, unit vectors out. Loaded late, once, behind these verbs."""

from search.embedding.errors import ModelUnavailable
from search.embedding.identity import active_model, is_demo_model
from search.embedding.loading import (
    Status,
    download_models,
    forget_models,
    models_at_hand,
    picture_encoder,
    status,
    text_encoder,
    warm_up,
)
from search.embedding.protocol import Picture, PictureEncoder, TextEncoder
from search.embedding.texts import MAX_TEXT_LENGTH, normalised_text, text_vector

__all__ = [
    "MAX_TEXT_LENGTH",
    "ModelUnavailable",
    "Picture",
    "PictureEncoder",
    "Status",
    "TextEncoder",
    "active_model",
    "download_models",
    "forget_models",
    "is_demo_model",
    "models_at_hand",
    "normalised_text",
    "picture_encoder",
    "status",
    "text_encoder",
    "text_vector",
    "warm_up",
]
