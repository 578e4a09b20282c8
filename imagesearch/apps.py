"""Django's admin with our site class."""

from django.contrib.admin.apps import AdminConfig


class CurationConfig(AdminConfig):
    # Not in the package search.admin: importing that registers its lists, which needs the site.
    default_site = "imagesearch.admin.CurationSite"
