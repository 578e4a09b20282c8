"""Chooses the frame that represents an animation: the first that is not of a single colour."""

from collections.abc import Callable

from PIL import Image, ImageFile

from search.containers.gif_frames import frame_extents

_MOST_FRAMES = 120
_MOST_PIXELS = 50_000_000
"""In all frames examined: animations that begin with one colour leave it within seconds."""
_NOISE = 16
"""Range of the samples of one colour after lossy compression."""


def first_shown(
    file: ImageFile.ImageFile, data: bytes, draw: Callable[[], Image.Image], max_pixels: int
) -> Image.Image:
    """Return the first frame of the opened `file` that is not of one colour, or the very first if all are.

    `draw` returns the current frame as RGB. Frames with more than `max_pixels` pixels are not examined, and broken
    ones after the first end the search.
    """
    picture = draw()
    # Pillow reads all of a GIF to tell whether it is animated; the other formats say so at once.
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
    except Exception:  # noqa: S110 - no more frames, or a broken one: the first is a valid picture
        pass
    return picture


def is_plain(picture: Image.Image) -> bool:
    """Whether a picture in RGB is of one colour."""
    bands: tuple[tuple[int, int], ...] = picture.getextrema()  # type: ignore[assignment]
    return all(high - low <= _NOISE for low, high in bands)


def _affordable(file: ImageFile.ImageFile, data: bytes, max_pixels: int) -> int:
    """Return how many frames after the first may be examined."""
    pixels = file.width * file.height
    if file.format == "GIF":
        frames = 0
        # A GIF frame may extend beyond all before it, and Pillow allocates it when it is reached.
        for width, height in frame_extents(data, _MOST_FRAMES):
            pixels = max(pixels, width * height)
            if pixels > max_pixels:
                break
            frames += 1
        return min(frames - 1, _MOST_PIXELS // pixels)
    return min(_MOST_FRAMES, _MOST_PIXELS // pixels)
