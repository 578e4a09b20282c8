"""The product's settings for a process that needs no more than a table of accounts, and starts in half the time."""

from imagesearch.settings import *  # noqa: F403

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
