"""Which images count as having a vector of a model: told by the model that their rows name."""

from search.models.active_pair import chosen


def accepted_names(model: str) -> tuple[str, ...]:
    """Return the `embedding_model` of images that have a vector of the whole picture in the current set of `model`.

    Right after a switch of models rows may name the old one still: their own vectors are copied in the background.
    """
    choice = chosen()
    return (model, *choice.also) if choice.also and choice.model == model else (model,)
