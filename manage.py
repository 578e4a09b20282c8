#!/usr/bin/env python
"""Django's command line; configuration errors and Ctrl-C print one line instead of a traceback."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from imagesearch.interrupts import keep_interrupts


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imagesearch.settings")
    keep_interrupts()
    try:
        settings.DATABASES  # noqa: B018 - else Django would try twice, and start the embedded database twice
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Configuration error: {error}")
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)  # noqa: T201 - for the terminal
        sys.exit(130)


if __name__ == "__main__":
    main()
