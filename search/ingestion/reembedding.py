"""After a change of model: new vectors for the rows that another model left, from the stored originals."""

from collections.abc import Callable
from itertools import islice

from search import storage
from search.embedding import active_model, picture_encoder
from search.imaging import UnreadableImage
from search.ingestion.adding import read_for_model
from search.ingestion.line import BATCH
from search.ingestion.report import Report
from search.models import Image


def stale_images() -> int:
    """Return how many images no search finds, since another model than the active one made their vectors."""
    return Image.objects.exclude(embedding_model=active_model()).count()


def reembed(progress: Callable[[Report], None] = lambda report: None) -> Report:
    """Give every image of another model a vector of the active one. Raises ModelUnavailable, StorageUnavailable."""
    report = Report()
    stale = Image.objects.exclude(embedding_model=active_model()).values_list("pk", flat=True)
    ids = stale.order_by("pk").iterator()
    while batch := list(islice(ids, BATCH)):
        pictures = {}
        for image_id in batch:
            try:
                pictures[image_id] = read_for_model(storage.read(storage.original_key(image_id))).picture
            except (UnreadableImage, storage.MissingObject) as error:
                report.failed.append((str(image_id), str(error)))
        encoder = picture_encoder()
        vectors = encoder.encode_pictures(list(pictures.values()))
        for image_id, vector in zip(pictures, vectors, strict=True):
            Image.objects.filter(pk=image_id).update(
                embedding=vector, embedding_model=active_model(), embedding_backend=encoder.backend
            )
        report.added += len(pictures)
        progress(report)
    return report
