"""`manage.py compile_models`: compile the models for this machine before their first use."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.embedding import ModelUnavailable, compile_pictures, compile_texts


class Command(BaseCommand):
    help = (
        "Compile both models for this processor in several ways, keep the fastest whose vectors agree with the "
        "original ones under DATA_DIR/models, and use it from then on. This happens at first use too; here it can be "
        "waited for. An earlier decision for the same kind of machine is printed again."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--image-model", default="", help="this image model instead of the active ones")
        parser.add_argument("--text-model", default="", help="this text model instead of the active ones")

    def handle(self, *args: Any, image_model: str, text_model: str, **options: Any) -> None:
        both = not (image_model or text_model)
        for what, compile_model, name in (
            ("words", compile_texts, text_model),
            ("pictures", compile_pictures, image_model),
        ):
            if not (both or name):
                continue
            self.stdout.write(f"The model for {what} ...", ending="")
            self.stdout.flush()
            try:
                verdict = compile_model(name)
            except (ModelUnavailable, OSError) as error:
                self.stdout.write("")
                raise CommandError(str(error)) from error
            self.stdout.write(f" {verdict}")
            if verdict.figures:
                self.stdout.write(f"  Milliseconds of processor time ({verdict.machine}):")
            for figure in verdict.figures:
                self.stdout.write(f"    {figure}")
