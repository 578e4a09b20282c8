class Refused(Exception):
    """The operation is not possible in the present state. The message tells the operator why and which command to run
    first."""
