"""Those of the site, with the decoder of the tests, which misbehaves for files with a mark in them."""

from imagesearch.settings import *  # noqa: F403

DECODER = "tests.bad_decoder"
