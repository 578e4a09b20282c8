"""The product's settings, over a data folder of the tests' own: no test meets what a developer keeps under `var/`."""

import os
from pathlib import Path

# Before the settings are read, which start the embedded database; processes that tests start inherit it.
os.environ["DATA_DIR"] = str(Path(__file__).resolve().parent.parent / "var" / "tests")

from imagesearch.settings import *  # noqa: F403
