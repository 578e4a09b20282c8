"""`manage.py compile_models`: make the models fast on this machine, ahead of their first use."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.embedding import ModelUnavailable, compile_pictures, compile_texts


class Command(BaseCommand):
    help = (
        "Compile both models for this processor in several ways, keep the fastest whose vectors agree with the "
        "original ones under DATA_DIR/models, and use it from then on. Done by itself at the first use, too; here it "
        "can be waited for. What was decided on this kind of machine before is told again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for what, compile_model in (("words", compile_texts), ("pictures", compile_pictures)):
            self.stdout.write(f"The model for {what} ...", ending="")
            self.stdout.flush()
            try:
                verdict = compile_model()
            except (ModelUnavailable, OSError) as error:
                self.stdout.write("")
                raise CommandError(str(error)) from error
            self.stdout.write(f" {verdict}")
            if verdict.figures:
                self.stdout.write(f"  Milliseconds of processor time ({verdict.machine}):")
            for figure in verdict.figures:
                self.stdout.write(f"    {figure}")
