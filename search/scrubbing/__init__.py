"""The file for the download button: the same picture, without what its maker did not mean to give away."""

from search.scrubbing.scrub import Scrubbed, scrubbed

__all__ = ["Scrubbed", "scrubbed"]
