"""Converts decoded pictures to 8-bit sRGB: grey of more than 8 bits, transparency and colour profiles."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageCms, ImageMath

_LIGHT = 192
"""Grey level from which a pixel is hardly visible on white."""
_DARK = 32
"""Not black, on which black outlines would be invisible."""
_EDGE = 50
"""Where less than one pixel in 50 is transparent, as with rounded corners, nothing can be lost on the background."""
_WIDE = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


def to_srgb(picture: Image.Image) -> Image.Image:
    """Return `picture`, of any mode, as sRGB in mode RGB, with transparent parts composited on a background.

    The background is white, or dark where most of the opaque part is light.
    """
    profile = picture.info.get("icc_profile")
    opaque = _on_ground(_eight_bit(picture))
    if isinstance(profile, bytes):
        opaque = _converted(opaque, profile)
    return opaque if opaque.mode == "RGB" else opaque.convert("RGB")


def scale_png_transparency(picture: Image.Image, bits: int) -> None:
    """Scale the transparent colour of a PNG with `bits` per sample to its decoded samples.

    Pillow scales samples of 2 and 4 bits, and drops the low byte of 16-bit colours, but leaves the transparent colour.
    """
    key = picture.info.get("transparency")
    if picture.mode == "L" and isinstance(key, int) and bits in (2, 4):
        picture.info["transparency"] = key * 255 // (2**bits - 1)
    elif picture.mode == "RGB" and isinstance(key, tuple) and bits == 16:
        picture.info["transparency"] = tuple(sample >> 8 for sample in key)


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale samples of more than 8 bits; Pillow's own conversion clips them, so that all but the shadows turn
    white."""
    if picture.mode not in _WIDE:
        return picture
    key = picture.info.get("transparency")
    wide = _wide(picture)
    extremes = [float(extreme) for extreme in wide.getextrema()[:2]]  # type: ignore[arg-type]
    low, high = level_range(extremes, is_float=wide.mode == "F")
    grey = scaled(wide, low, high)
    if not isinstance(key, int) or wide.mode != "I":
        return grey
    alpha = ImageMath.lambda_eval(lambda use: use["convert"]((use["wide"] != key) * 255, "L"), wide=wide)
    return Image.merge("LA", (grey, alpha))


def scaled(grey: Image.Image, low: float, high: float) -> Image.Image:
    """Return grey of 8 bits, in which `low` is black and `high` white."""
    wide = _wide(grey)
    scale = 255 / ((high - low) or 1)
    return wide.point(lambda sample: (sample * scale) + (0.5 - low * scale)).convert("L")


def _wide(grey: Image.Image) -> Image.Image:
    return grey if grey.mode in ("I", "F") else grey.convert("I")


def level_range(extremes: Sequence[float], *, is_float: bool) -> tuple[float, float]:
    """Return black and white level of samples with these extremes: 16 bits, 0 to 1, or 0 to 255, if they fit; else
    their range."""
    low, high = min(extremes), max(extremes)
    for expected in (1.0, 255.0, 65535.0) if is_float else (65535.0,):
        if low >= 0 and high <= expected:
            return 0.0, expected
    return low, high


def _on_ground(picture: Image.Image) -> Image.Image:
    """Return `picture` without transparency: L for grey, CMYK unchanged, RGB for all else."""
    if picture.mode == "LAB":
        return _from_lab(picture)
    grey = picture.mode in ("1", "L", "LA", "La")
    opaque = "L" if grey else "CMYK" if picture.mode == "CMYK" else "RGB"
    if not picture.has_transparency_data:
        return picture if picture.mode == opaque else picture.convert(opaque)
    layered = picture.convert("LA" if grey and picture.mode != "1" else "RGBA")
    alpha = layered.getchannel("A")
    flat = layered.convert(opaque)
    if alpha.getextrema() == (255, 255):
        return flat
    shade = _DARK if _is_light(flat, alpha) else 255
    ground = Image.new(opaque, picture.size, shade if opaque == "L" else (shade, shade, shade))
    ground.paste(flat, mask=alpha)
    return ground


def _is_light(flat: Image.Image, alpha: Image.Image) -> bool:
    """Whether more than half of the visible part would be lost on white."""
    if sum(alpha.histogram()[:128]) * _EDGE < alpha.width * alpha.height:
        return False
    grey = flat.convert("L")
    seen = grey.histogram(mask=alpha.point([0] * 128 + [255] * 128))
    if not any(seen):  # faint everywhere
        seen = grey.histogram(mask=alpha)
    return 2 * sum(seen[_LIGHT:]) > sum(seen)


def _from_lab(picture: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
    return picture.convert("L").convert("RGB") if converted is None else converted


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert from `profile` to sRGB; return the picture unchanged if the profile is broken."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        # Most pictures are sRGB already, and the conversion takes longer than the decoding.
        if picture.mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
            return picture
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except MemoryError:
        raise
    except Exception:  # a broken profile must not lose the picture, whatever lcms raises
        return picture
    return picture if converted is None else converted
