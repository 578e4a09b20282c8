"""Images that count as having a vector of a model, by the model that their rows name."""

from search.models.active_pair import chosen


def accepted_names(model: str) -> tuple[str, ...]:
    """Return the values of `embedding_model` of images with a vector of the whole picture in the current set of
    `model`.

    Just after a switch of models, rows may still name the old one: their own vectors are copied in the background.
    """
    choice = chosen()
    return (model, *choice.also) if choice.also and choice.model == model else (model,)
