"""`manage.py reconcile`: bring the object storage and the rows in line again."""

from typing import Any

from django.core.management.base import CommandError

from search.ingestion import settle_deletions
from search.management.base import CollectionCommand
from search.storage import StorageUnavailable


class Command(CollectionCommand):
    help = "Delete the objects of deleted pictures that could not be deleted at once, as when the storage was down."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(f"Objects of {settle_deletions():,} deleted pictures removed.")
        except StorageUnavailable as error:
            raise CommandError(str(error)) from error
