"""Files for the download button: the same picture, without metadata that its maker did not mean to publish.

Imports `containers`, `imaging` and `decoding`. Verb: `scrubbed`.
"""

from search.scrubbing.scrub import Scrubbed, scrubbed

__all__ = ["Scrubbed", "scrubbed"]
