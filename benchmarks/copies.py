"""The sizes of the copies that the collection stores of a photo."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from PIL import Image

from benchmarks.photos import Size
from benchmarks.report import table

PHOTOS = 100
_NAMES = ("thumbnail, made when it is added", "in rows of few pictures, made on demand", "on its page, made on demand")


def copies(paths: Sequence[Path], size: Size) -> str:
    """Return a table of the mean size of each copy of `paths`, photos of `size`."""
    from search.imaging.thumbnails import thumbnail  # noqa: PLC0415 - after make_world
    from search.objects.storage import WIDTHS  # noqa: PLC0415

    sizes: dict[int, list[int]] = {longest: [] for longest in WIDTHS}
    for path in paths[:PHOTOS]:
        with Image.open(path) as photo:
            picture = photo.convert("RGB")
        for longest, found in sizes.items():
            found.append(len(thumbnail(picture, longest)))
    rows = [
        [f"{name}: {longest} pixels", f"{mean(found) / 1000:.0f}"]
        for name, (longest, found) in zip(_NAMES, sizes.items(), strict=True)
    ]
    return table([f"Copies of a photo of {size.width}×{size.height}", "kB"], rows)
