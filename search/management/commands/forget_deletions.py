"""`manage.py forget_deletions`: let `ingest` add deleted pictures again."""

import argparse
import datetime as dt
import uuid
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from search.management.base import CollectionCommand
from search.models import Tombstone


class Command(CollectionCommand):
    help = (
        "Forget which pictures were deleted from the collection, so that `ingest` adds their files again: those with "
        "the given ids, those deleted long ago, or all. Each deletion is stored as its id, a hash of its pixels and "
        "the time. To bring back the contents of a folder, `ingest --again` is simpler."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", type=_image_id, metavar="ID", help="as in the URL of a picture's page")
        parser.add_argument("--older-than", type=days, metavar="DAYS", help="what was deleted at least DAYS ago")
        parser.add_argument("--all", action="store_true", help="all deletions")

    def handle(self, *args: Any, **options: Any) -> None:
        ids, age = options["ids"], options["older_than"]
        if bool(ids) + (age is not None) + options["all"] != 1:
            raise CommandError("Choose what to forget: ids of pictures, --older-than DAYS, or --all.")
        tombstones = Tombstone.objects.all()
        if ids:
            tombstones = tombstones.filter(pk__in=ids)
        elif age is not None:
            tombstones = tombstones.filter(created__lte=timezone.now() - age)
        forgotten, _ = tombstones.delete()
        self.stdout.write(f"{forgotten:,} deletions forgotten, {Tombstone.objects.count():,} remembered.")


def _image_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not the id of a picture") from error


def days(text: str) -> dt.timedelta:
    try:
        age = dt.timedelta(days=float(text))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not a number of days") from error
    if not dt.timedelta(0) <= age <= dt.timedelta(days=36_500):
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 36,500 days")
    return age
