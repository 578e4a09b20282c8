"""Django's admin with our frame."""

from django.contrib.admin.apps import AdminConfig


class CurationConfig(AdminConfig):
    default_site = "search.admin.site.CurationSite"
