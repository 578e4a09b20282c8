"""The exceptions of this room."""

from django.utils.translation import gettext as _


class RefusedAddress(Exception):
    """Nothing is fetched from an address. The message is for the person who gave it."""


class NotDownloaded(Exception):
    """A file can't be downloaded. The message, for the operator, says why."""


def not_public() -> RefusedAddress:
    """Return one error for a private address, for a name that resolves to one and for an unknown name.

    Different messages would let a stranger probe for names and machines in the operator's network.
    """
    return RefusedAddress(_("There is no public web server at this address."))
