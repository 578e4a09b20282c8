"""`manage.py collectstatic`: Django's own, but always for a site with DEBUG off.

With DEBUG on, collected files aren't served; with it off, nothing is served without their manifest.
"""

from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic

from search.web.static_files import StaticFiles


class Command(collectstatic.Command):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.storage = StaticFiles()
