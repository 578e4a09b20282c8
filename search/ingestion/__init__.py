"""Ingestion: bytes -> decoded picture -> objects -> one row. Used by the upload page, the API and `manage.py ingest`.

May import the rooms above it in docs/architecture.md. Verbs: `add_picture`, `ingest`, `reconcile`, `reembed`,
`delete_pending`.
"""

from search.curation.details import Details
from search.ingestion.adding import Added, DeletedPicture, add_picture
from search.ingestion.items import Item, Unavailable
from search.ingestion.metadata_tables import Metadata, read_metadata
from search.ingestion.pending import Pending, PendingWindows
from search.ingestion.pending_vector_worker import LOST_DATABASE, Worker
from search.ingestion.pipeline.coordinator import ingest
from search.ingestion.reconciling import reconcile
from search.ingestion.reembedding import reembed, stale_images
from search.ingestion.report import Finding, Problem, Progress, Reconciled, Report
from search.ingestion.sources import Choices, FolderWatch, Rules, files_source, open_source, watched_source
from search.ingestion.table_formats import MetadataError
from search.objects.deletion import delete_pending

__all__ = [
    "LOST_DATABASE",
    "Added",
    "Choices",
    "DeletedPicture",
    "Details",
    "Finding",
    "FolderWatch",
    "Item",
    "Metadata",
    "MetadataError",
    "Pending",
    "PendingWindows",
    "Problem",
    "Progress",
    "Reconciled",
    "Report",
    "Rules",
    "Unavailable",
    "Worker",
    "add_picture",
    "delete_pending",
    "files_source",
    "ingest",
    "open_source",
    "read_metadata",
    "reconcile",
    "reembed",
    "stale_images",
    "watched_source",
]
