"""Settings for a process that a test starts and kills: the test's own database, media and compiled models."""

import os

from imagesearch.settings import *  # noqa: F403
from imagesearch.settings import DATABASES, STORAGES

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
MEDIA_ROOT = os.environ["TEST_MEDIA"]
if "TEST_MODELS" in os.environ:
    MODELS_DIR, COMPILE_MODELS = os.environ["TEST_MODELS"], True
STORAGES = {**STORAGES, "default": {"BACKEND": "search.objects.storage.LocalStorage"}}
