"""The product's settings, over a data folder of the tests' own: no test meets what a developer keeps under `var/`."""

import os
from pathlib import Path

# Before the settings are read, which start the embedded database. Processes that tests start inherit it, or are given
# another by their test.
if "PYTEST_CURRENT_TEST" not in os.environ:
    os.environ["DATA_DIR"] = str(Path(__file__).resolve().parent.parent / "var" / "tests")

from imagesearch.settings import *  # noqa: F403
