from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SearchConfig(AppConfig):
    name = "search"
    verbose_name = _("Picture search")

    def ready(self) -> None:
        from search import checks  # noqa: F401, PLC0415 - registers the system checks
        from search.accounts import roles, session_revocation  # noqa: F401, PLC0415 - connects signal handlers
        from search.objects import deletion  # noqa: F401, PLC0415 - connects signal handlers
