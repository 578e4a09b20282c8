"""`manage.py remove_second_factor`: disable the second factor of a user who has lost their device."""

import argparse
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from search.accounts import second_factor
from search.management.base import CollectionCommand


class Command(CollectionCommand):
    help = (
        "Remove the second factor of an account: its password is enough to log in until the user sets up another one. "
        "Be sure that it is really the user who asks."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", help="the account's name")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model()
        name = users.normalize_username(options["name"])  # a Mac's terminal pastes decomposed names
        user = users.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no account “{name}”.")
        was_there = second_factor.remove(user)
        self.stdout.write(
            f"{name} can now log in with the password only." if was_there else f"{name} has no two-factor login."
        )
