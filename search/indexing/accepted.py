"""Which images count as having a vector of a model: told by the model that their rows name."""


def accepted_names(model: str) -> tuple[str, ...]:
    """Return the `embedding_model` of images with a vector of the whole picture in the current set of `model`."""
    return (model,)
