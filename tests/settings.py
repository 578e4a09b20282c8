"""The product's settings with a data folder for the tests: tests don't touch a developer's `var/`."""

import os
from pathlib import Path

# Set before the settings are read, which start the embedded database. Child processes inherit it, unless their test
# sets another.
if "PYTEST_CURRENT_TEST" not in os.environ:
    os.environ["DATA_DIR"] = str(Path(__file__).resolve().parent.parent / "var" / "tests")

from imagesearch.settings import *  # noqa: F403
