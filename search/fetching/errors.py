"""The exceptions of this room."""

from django.utils.translation import gettext as _


class RefusedAddress(Exception):
    """Nothing is fetched from an address. The message is for the person who gave it."""


class NotDownloaded(Exception):
    """A file can't be had from its address. The message, for the operator, says why."""


def not_public() -> RefusedAddress:
    """One refusal for a private address, for a name that leads to one and for a name that is not known at all.

    With words for each, a stranger could ask which names and machines there are in the operator's network.
    """
    return RefusedAddress(_("There is no public web server at this address."))
