"""The name of the site."""

from django.conf import settings
from django.utils.translation import gettext as _


def site_name() -> str:
    """Return the name that people see: SITE_NAME, or a default in their language."""
    return settings.SITE_NAME or _("Picture search")
