"""Sources of pictures: files, archives, buckets, tables of addresses, watched folders."""

from search.ingestion.sources.exclusions import Rules
from search.ingestion.sources.listing import Listed
from search.ingestion.sources.options import Choices
from search.ingestion.sources.source_opening import files_source, open_source
from search.ingestion.sources.watching import FolderWatch, watched_source

__all__ = ["Choices", "FolderWatch", "Listed", "Rules", "files_source", "open_source", "watched_source"]
