"""The way in: bytes -> checked picture -> objects and one row. The upload page and `manage.py ingest` share it."""

from search.ingestion.adding import Added, add_picture
from search.ingestion.claims import Pending
from search.ingestion.deleting import settle_deletions
from search.ingestion.items import Details, Item, Source, Unavailable
from search.ingestion.metadata import MetadataError, read_metadata
from search.ingestion.pipeline import ingest
from search.ingestion.reembedding import reembed, stale_images
from search.ingestion.report import Progress, Report
from search.ingestion.sources import files_source, find_files
from search.ingestion.working import LOST_DATABASE, Worker

__all__ = [
    "LOST_DATABASE",
    "Added",
    "Details",
    "Item",
    "MetadataError",
    "Pending",
    "Progress",
    "Report",
    "Source",
    "Unavailable",
    "Worker",
    "add_picture",
    "files_source",
    "find_files",
    "ingest",
    "read_metadata",
    "reembed",
    "settle_deletions",
    "stale_images",
]
