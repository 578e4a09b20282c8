from search.models.vector_values import WrongVectors


class ModelUnavailable(Exception):
    """A model can't be used now. The message is for the operator: what happened, and what to do."""


class Busy(ModelUnavailable):
    """So many are waiting for a model that one more would wait too long. It is worth trying again in a few seconds."""

    def __init__(self) -> None:
        super().__init__("Too many searches at once.")


class Loading(Busy):
    """The model is being loaded, which takes this machine longer than anybody should wait."""

    def __init__(self) -> None:
        ModelUnavailable.__init__(self, "The model is being loaded.")


class EncodingFailed(WrongVectors):
    """A model raised an error instead of giving vectors. The message is for the operator."""
