"""Commands that somebody starts from the administration: processes of their own, which neither end with the server nor
take the turns of those who search."""

import subprocess
import sys
import threading

from django.conf import settings


def start_command(name: str, *arguments: str) -> None:
    """Start a command of `manage.py`; what it complains of goes where the server's own log goes. Raises OSError."""
    process = subprocess.Popen(  # noqa: S603 - commands of ours, with numbers
        [sys.executable, str(settings.BASE_DIR / "manage.py"), name, *arguments],
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C at the server's terminal is not meant for it
    )
    threading.Thread(target=process.wait, name=f"waits-for-{name}", daemon=True).start()
