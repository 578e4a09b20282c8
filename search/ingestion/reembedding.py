"""Re-embedding after a change of model: new vectors from the stored originals."""

import threading

from search.embedding import active_model
from search.ingestion.pending import Stale
from search.ingestion.pending_vector_worker import Worker
from search.ingestion.pipeline.steps import BATCH
from search.ingestion.report import Progress, Report
from search.models import Image
from search.models.accepted_models import accepted_names


def stale_images() -> int:
    """Return how many images are not searchable, since they have no vector of the active model."""
    return Image.objects.exclude(embedding_model__in=accepted_names(active_model())).count()


def reembed(
    progress: Progress = lambda report: None, *, batch: int = BATCH, stop: threading.Event | None = None
) -> Report:
    """Give every image without a vector of the active model one, until `stop` is set.

    Any number of machines may do so at once. Raises ModelUnavailable, StorageUnavailable and LOST_DATABASE.
    """
    worker = Worker(Stale(), batch=batch, stop=stop, progress=progress)
    worker.work()
    return worker.report
