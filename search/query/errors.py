class BadQuery(Exception):
    """The address asks for something that can't be searched. The message is for the person who asked."""


class NoSuchQuery(BadQuery):
    """The picture that is asked for is not known, or not any more."""
