"""Downloads both models ahead of their first use, and checks them."""

from typing import NamedTuple

from search.embedding.dimension_checks import unlike
from search.embedding.model_identity import active_pair
from search.embedding.uncompiled_models import torch_pictures, torch_texts


class Downloaded(NamedTuple):
    """Names of the models, and why they probably don't belong together; "" if they may."""

    names: list[str]
    doubt: str


def download_models() -> Downloaded:
    """Download both models and run them once. Raises ModelUnavailable."""
    from search.embedding.text_tower_agreement import LEAST_ALIKE, share_alike  # noqa: PLC0415 - imports torch

    pair, pictures, texts = active_pair(), torch_pictures(), torch_texts()
    if pictures.dimensions != texts.dimensions:
        return Downloaded(list(pair), unlike(pair.text, texts.dimensions, pair.image, pictures.dimensions))
    alike = share_alike(pictures, texts)
    if alike is None or alike >= LEAST_ALIKE:
        return Downloaded(list(pair), "")
    doubt = (
        f"{100 * (1 - alike):.0f} % of English texts mean something else to {pair.text} than to {pair.image}. The two "
        "models were probably not trained for one space: searches would not work."
    )
    return Downloaded(list(pair), doubt)
