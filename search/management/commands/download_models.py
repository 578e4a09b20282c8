"""`manage.py download_models`: download the models before the first search."""

from typing import Any

from django.core.management.base import BaseCommand

from search.embedding import ModelUnavailable, download_models
from search.management.base import command_errors


class Command(BaseCommand):
    help = "Download both models from the Hugging Face hub unless they are on this machine, and load them once."

    def handle(self, *args: Any, **options: Any) -> None:
        with command_errors(ModelUnavailable):
            names, doubt = download_models()
        for name in names:
            self.stdout.write(f"{name}: on this machine")
        if doubt:
            self.stderr.write(self.style.WARNING(doubt))
