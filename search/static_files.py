"""Scripts, styles and drawings, as they are served where DEBUG is off."""

from django.utils.functional import cached_property
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Whitenoise's, which remembers the addresses: a page names two dozen files, and each takes 12 µs to look up."""

    @cached_property
    def _addresses(self) -> dict[str, str]:
        return {}

    def url(self, name: str, force: bool = False) -> str:
        """Return the address of the file `name`, which holds a hash of what is in it. Raises ValueError for none."""
        if name not in self._addresses:
            self._addresses[name] = super().url(name, force)
        return self._addresses[name]
