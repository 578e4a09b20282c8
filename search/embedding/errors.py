class ModelUnavailable(Exception):
    """A model can't be used now. The message is for the operator: what happened, and what to do."""


class Busy(ModelUnavailable):
    """So many are waiting for a model that one more would wait too long. It is worth trying again in a few seconds."""

    def __init__(self) -> None:
        super().__init__("Too many searches at once.")
