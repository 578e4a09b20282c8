"""Settings for a process that a test starts and kills: the test's own database and media."""

import os

from imagesearch.settings import *  # noqa: F403
from imagesearch.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
MEDIA_ROOT = os.environ["TEST_MEDIA"]
STORAGES = {"default": {"BACKEND": "search.storage.LocalStorage"}}
