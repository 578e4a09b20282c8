"""`manage.py collectstatic`: Django's own, but for a site with DEBUG off whatever DEBUG is where it runs.

With DEBUG on nothing is served from what it collects, and with it off nothing without the list of names that goes by
then.
"""

from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic

from search.web.static_files import StaticFiles


class Command(collectstatic.Command):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.storage = StaticFiles()
