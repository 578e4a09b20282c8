from search.models.vector_values import WrongVectors


class ModelUnavailable(Exception):
    """A model can't be used now. The message is for the operator: what happened, and what to do."""


class Busy(ModelUnavailable):
    """The queue for a model is full, and this request would wait too long. Retry in a few seconds."""

    def __init__(self) -> None:
        super().__init__("Too many searches at once.")


class Loading(Busy):
    """The model is being loaded, which takes longer than a request should wait."""

    def __init__(self) -> None:
        ModelUnavailable.__init__(self, "The model is being loaded.")


class EncodingFailed(WrongVectors):
    """A model raised an error instead of returning vectors. The message is for the operator."""
