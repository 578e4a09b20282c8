"""Where pictures come from: files, archives, object storages, tables of addresses, folders that are being filled."""

from search.ingestion.sources.listing import Listed
from search.ingestion.sources.opening import Choices, files_source, open_source
from search.ingestion.sources.watching import FolderWatch, watched_source

__all__ = ["Choices", "FolderWatch", "Listed", "files_source", "open_source", "watched_source"]
