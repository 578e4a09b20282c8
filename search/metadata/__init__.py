"""Photo metadata from files, from sidecars beside them, and from their names: bytes in, one frozen dataclass out.

No content of a file raises. Readers of files and XMP run in the decoder processes (`search.imaging.decoder_tasks`),
those of JSON and names anywhere. Imports `text` and `containers`. docs/metadata.md has the order of precedence.
"""

from search.metadata.dates_in_file_names import from_name
from search.metadata.embedded_metadata import read_file
from search.metadata.metadata_merging import merged
from search.metadata.photo_metadata import PhotoMetadata, TakenFrom
from search.metadata.sidecar_names import LONGEST_SIDECAR
from search.metadata.takeout import from_takeout
from search.metadata.xmp import from_xmp

READER = 3
"""Version of the reader. Raise it when more is read than before: `manage.py read_metadata` then reads all pictures
again."""

__all__ = [
    "LONGEST_SIDECAR",
    "READER",
    "PhotoMetadata",
    "TakenFrom",
    "from_name",
    "from_takeout",
    "from_xmp",
    "merged",
    "read_file",
]
