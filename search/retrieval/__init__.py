"""From a query to a page of results: query vector, scope, candidates (HNSW and full text), ranking, pages."""

from search.retrieval.results import PER_PAGE, ResultPage
from search.retrieval.search import find, similar_images

__all__ = ["PER_PAGE", "ResultPage", "find", "similar_images"]
