"""Both models are brought to this machine, ahead of their first use, and looked at."""

from typing import NamedTuple

from search.embedding.dimension_checks import unlike
from search.embedding.identity import active_pair
from search.embedding.loading import torch_pictures, torch_texts


class Downloaded(NamedTuple):
    """Names of models, and why they hardly belong together; "" where they may."""

    names: list[str]
    doubt: str


def download_models() -> Downloaded:
    """Bring both models to this machine and try them once. Raises ModelUnavailable."""
    from search.embedding.pair_checks import LEAST_ALIKE, share_alike  # noqa: PLC0415 - imports torch

    pair, pictures, texts = active_pair(), torch_pictures(), torch_texts()
    if pictures.dimensions != texts.dimensions:
        return Downloaded(list(pair), unlike(pair.text, texts.dimensions, pair.image, pictures.dimensions))
    alike = share_alike(pictures, texts)
    if alike is None or alike >= LEAST_ALIKE:
        return Downloaded(list(pair), "")
    doubt = (
        f"{100 * (1 - alike):.0f} % of English texts mean something else to {pair.text} than to {pair.image}. The two "
        "were hardly trained for one space: no search would find what it means."
    )
    return Downloaded(list(pair), doubt)
