"""Retrieval: from a query to a page of results, by query vector, search scope, candidates (HNSW and full text) and
re-ranking.

May import the rooms above it in docs/architecture.md. Verbs: `find` (a page of results), `similar_images`.
"""

from search.retrieval.results import PER_PAGE, ResultPage
from search.retrieval.search import find, similar_images

__all__ = ["PER_PAGE", "ResultPage", "find", "similar_images"]
