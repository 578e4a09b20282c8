"""`manage.py compile_models`: make the models fast on this machine, ahead of their first use."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from search.embedding import ModelUnavailable, compile_pictures, compile_texts


class Command(BaseCommand):
    help = (
        "Compile both models for this processor, keep them under DATA_DIR/models, and use them from then on if their "
        "vectors agree with the original ones. Done by itself at the first use, too; here it can be waited for."
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
            used = f"compiled ({verdict.precision})" if verdict.precision else "used as it is"
            self.stdout.write(f" {used}: {verdict.why}.")
