"""Django's admin in our frame."""

from django.contrib.admin.apps import AdminConfig


class CurationConfig(AdminConfig):
    # Not in the package search.admin: importing that registers its lists, for which the site must be there.
    default_site = "imagesearch.admin.CurationSite"
