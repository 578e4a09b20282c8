"""`manage.py upgrade_embedded`: migrate the embedded database to the version of PostgreSQL of this release."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from imagesearch.embedded_upgrade import CannotUpgrade, upgrade


class Command(BaseCommand):
    help = (
        "Migrate the data of the embedded database to the version of PostgreSQL of this release. The old data are "
        "kept under another name; twice their size must be free."
    )
    # System checks query the database, which can't be started before.
    requires_system_checks: list[str] = []  # noqa: RUF012 - as in Django

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--old-binaries",
            type=Path,
            metavar="FOLDER",
            help="the folder of the old version's pg_ctl, if it isn't found",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            kept = upgrade(settings.DATA_DIR / "postgres", options["old_binaries"], self.stdout.write)
        except CannotUpgrade as error:
            raise CommandError(str(error)) from error
        if kept is None:
            self.stdout.write("The data are already of this version.")
        else:
            self.stdout.write(
                f"Done. Run `manage.py migrate` and start again. When all is well, {kept} may be removed."
            )
