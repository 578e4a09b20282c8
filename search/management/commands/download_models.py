"""`manage.py download_models`: download the models before the first search."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.embedding import ModelUnavailable, download_models


class Command(BaseCommand):
    help = "Download both models from the Hugging Face hub unless they are on this machine, and load them once."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            names, doubt = download_models()
        except ModelUnavailable as error:
            raise CommandError(str(error)) from error
        for name in names:
            self.stdout.write(f"{name}: on this machine")
        if doubt:
            self.stderr.write(self.style.WARNING(doubt))
