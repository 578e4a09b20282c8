"""What cameras and people wrote of a picture: in its file, beside it, in its name. Bytes in, one frozen dataclass out.

Nothing here raises for anything that a file holds. What reads files and XMP runs in the decoder processes
(`search.imaging.tasks`); what reads JSON and names, anywhere. docs/metadata.md has the order in which sources count.
"""

from search.metadata.fields import PhotoMetadata, TakenFrom
from search.metadata.files import Reading, read_file
from search.metadata.merging import merged
from search.metadata.names import from_name
from search.metadata.sidecars import LONGEST_SIDECAR, from_takeout
from search.metadata.xmp import from_xmp

READER = 3
"""Goes up when more is read than before: `manage.py read_metadata` then reads all pictures anew."""

__all__ = [
    "LONGEST_SIDECAR",
    "READER",
    "PhotoMetadata",
    "Reading",
    "TakenFrom",
    "from_name",
    "from_takeout",
    "from_xmp",
    "merged",
    "read_file",
]
