"""Imports of a starting server: all that the first page needs, and nothing that only few pages need."""

import os
import subprocess
import sys

from django.conf import settings as project

START = """
import sys
from imagesearch.wsgi import application
from search.web.preloading import load_pages
load_pages()
late = ("ninja", "pydantic", "boto3", "botocore", "storages", "httpx2", "torch", "transformers")
late += ("numpy.random", "prometheus_client", "search.demo.captions", "segno")
print("before", *(name for name in late if name in sys.modules))
from django.urls import resolve, reverse
print(reverse("results"), resolve("/search").view_name)
print("after pages", *(name for name in late if name in sys.modules))
print(reverse("api:search"), resolve(reverse("api:search")).namespace)
print("after the API", *(name for name in ("ninja", "boto3") if name in sys.modules))
"""


def test_the_api_and_clients_of_other_servers_are_imported_at_first_use() -> None:
    blank = dict.fromkeys(("AWS_STORAGE_BUCKET_NAME", "AWS_S3_ENDPOINT_URL", "S3_PUBLIC_BASE_URL"), "")
    # Variables set to empty count as not set.
    database = {"DATABASE_URL": "postgres://nobody@localhost/none", "DEBUG": "on", "SECRET_KEY": "unused"}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START],
        cwd=project.BASE_DIR,
        env={**os.environ, **blank, **database, "DJANGO_SETTINGS_MODULE": "imagesearch.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines() == [
        "before",
        "/search results",
        "after pages",
        "/api/search api",
        "after the API ninja",
    ]


ONE_THREAD = """
import runpy
runpy.run_path("gunicorn.conf.py")
import numpy
from threadpoolctl import threadpool_info
print(*(library["num_threads"] for library in threadpool_info() if library["internal_api"] == "openblas"))
"""


def test_numpy_in_a_server_has_one_thread_since_others_would_spin() -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    ended = subprocess.run(
        [sys.executable, "-c", ONE_THREAD],
        cwd=project.BASE_DIR,
        env=inherited,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(ended.stdout.split()) == {"1"}
