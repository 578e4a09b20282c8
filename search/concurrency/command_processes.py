"""Commands started from the admin: processes of their own, which outlive the server and take no worker threads."""

import subprocess
import sys
import threading

from django.conf import settings


def start_command(name: str, *arguments: str) -> None:
    """Start `manage.py NAME ARGUMENTS`, with its stderr going to the server's. Raises OSError."""
    process = subprocess.Popen(  # noqa: S603 - our own commands, with numbers as arguments
        [sys.executable, str(settings.BASE_DIR / "manage.py"), name, *arguments],
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the server's terminal must not end it
    )
    threading.Thread(target=process.wait, name=f"waits-for-{name}", daemon=True).start()
