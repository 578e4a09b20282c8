"""Photo metadata from files, from sidecars beside them, and from their names: bytes in, one frozen dataclass out.

No content of a file raises. Readers of files and XMP run in the decoder processes (`search.imaging.tasks`), those of
JSON and names anywhere. Imports `text` and `containers`. docs/metadata.md has the order of precedence.
"""

from search.metadata.fields import PhotoMetadata, TakenFrom
from search.metadata.files import read_file
from search.metadata.merging import merged
from search.metadata.names import from_name
from search.metadata.sidecars import LONGEST_SIDECAR
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
