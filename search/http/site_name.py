"""What the site is called."""

from django.conf import settings
from django.utils.translation import gettext as _


def site_name() -> str:
    """Return the name that people see: SITE_NAME, or what the site is, in their language."""
    return settings.SITE_NAME or _("Picture search")
