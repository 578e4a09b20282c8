"""Which frame of an animation stands for it: the first that shows something."""

from collections.abc import Callable

from PIL import Image, ImageFile

from search.containers.gif import frame_extents

_MOST_FRAMES = 120
_MOST_PIXELS = 50_000_000
"""Of all frames looked at: animations that begin with one colour leave it within seconds."""
_NOISE = 16
"""By how much the samples of one colour may differ after lossy compression."""


def first_shown(
    file: ImageFile.ImageFile, data: bytes, draw: Callable[[], Image.Image], max_pixels: int
) -> Image.Image:
    """Return the first frame of the opened `file` that is not of one colour, or the very first where all are.

    `draw` returns the present frame as RGB. Frames with more than `max_pixels` pixels, and what is broken behind the
    first frame, are not looked at.
    """
    picture = draw()
    # Pillow walks through all of a GIF to tell whether it moves; the others say so at once.
    may_move = file.format == "GIF" or getattr(file, "is_animated", False)
    if not may_move or not is_plain(picture):
        return picture
    if picture is file:
        picture = picture.copy()
    try:
        for _ in range(_affordable(file, data, max_pixels)):
            file.seek(file.tell() + 1)
            if file.width * file.height > max_pixels:
                break
            shown = draw()
            if not is_plain(shown):
                return shown
    except MemoryError:
        raise
    except Exception:  # noqa: S110 - the end, or a broken frame: the first one is a picture all the same
        pass
    return picture


def is_plain(picture: Image.Image) -> bool:
    """Whether a picture in RGB is of one colour."""
    bands: tuple[tuple[int, int], ...] = picture.getextrema()  # type: ignore[assignment]
    return all(high - low <= _NOISE for low, high in bands)


def _affordable(file: ImageFile.ImageFile, data: bytes, max_pixels: int) -> int:
    """Return how many frames after the first may be looked at."""
    pixels = file.width * file.height
    if file.format == "GIF":
        frames = 0
        # A frame of GIF may reach beyond all before it, and Pillow makes room for it as soon as it is met.
        for width, height in frame_extents(data, _MOST_FRAMES):
            pixels = max(pixels, width * height)
            if pixels > max_pixels:
                break
            frames += 1
        return min(frames - 1, _MOST_PIXELS // pixels)
    return min(_MOST_FRAMES, _MOST_PIXELS // pixels)
