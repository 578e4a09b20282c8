class BadQuery(Exception):
    """The URL asks for something that can't be searched. The message is for the user."""


class NoSuchQuery(BadQuery):
    """The requested picture is unknown, or no longer stored."""
