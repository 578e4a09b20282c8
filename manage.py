#!/usr/bin/env python
"""Django's command line, with configuration errors and Ctrl-C told in a line instead of a traceback."""

import os
import signal
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imagesearch.settings")
    # Else it would end the process as it stands: drafts would stay, and the embedded database would stay on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings.DATABASES  # noqa: B018 - Django would try twice, and start the embedded database twice
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Configuration error: {error}")
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)  # noqa: T201 - what a terminal shows
        sys.exit(130)


if __name__ == "__main__":
    main()
