class ModelUnavailable(Exception):
    """A model can't be used now. The message is for the operator: what happened, and what to do."""
