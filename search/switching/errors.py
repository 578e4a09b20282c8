class Refused(Exception):
    """This can't be done as things stand. The message is for the operator: why, and the command that comes first."""
