"""From what a decoder delivers to 8-bit sRGB: deep grey, transparency and colour profiles."""

from io import BytesIO

from PIL import Image, ImageCms, ImageMath

_LIGHT = 192
"""What is as light as this is hardly seen on white."""
_DARK = 32
"""Not black, which black outlines would be lost on."""
_EDGE = 50
"""Where less than a 50th is see-through, as with rounded corners, nothing can be lost on the ground."""
_WIDE = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


def to_srgb(picture: Image.Image) -> Image.Image:
    """Return `picture`, of any mode, as sRGB in mode RGB, laid on a ground where it is see-through.

    The ground is white, or dark where most of what is opaque is light.
    """
    profile = picture.info.get("icc_profile")
    opaque = _on_ground(_eight_bit(picture))
    if isinstance(profile, bytes):
        opaque = _converted(opaque, profile)
    return opaque if opaque.mode == "RGB" else opaque.convert("RGB")


def mend_png_transparency(picture: Image.Image, bits: int) -> None:
    """Bring the transparent colour of a PNG with `bits` per sample to the scale of its decoded samples.

    Pillow spreads the samples of 2 and 4 bits, and drops the low byte of 16-bit colours, but leaves the key as it was.
    """
    key = picture.info.get("transparency")
    if picture.mode == "L" and isinstance(key, int) and bits in (2, 4):
        picture.info["transparency"] = key * 255 // (2**bits - 1)
    elif picture.mode == "RGB" and isinstance(key, tuple) and bits == 16:
        picture.info["transparency"] = tuple(sample >> 8 for sample in key)


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale samples of more than 8 bits; Pillow's own conversion clips them, and all but the shadows turn white."""
    if picture.mode not in _WIDE:
        return picture
    key = picture.info.get("transparency")
    wide = picture if picture.mode in ("I", "F") else picture.convert("I")
    low, high = _range(wide)
    scale = 255 / ((high - low) or 1)
    grey = wide.point(lambda sample: (sample * scale) + (0.5 - low * scale)).convert("L")
    if not isinstance(key, int) or wide.mode != "I":
        return grey
    alpha = ImageMath.lambda_eval(lambda use: use["convert"]((use["wide"] != key) * 255, "L"), wide=wide)
    return Image.merge("LA", (grey, alpha))


def _range(wide: Image.Image) -> tuple[float, float]:
    """Black and white of a picture in I or F: 16 bits, 0 to 1 or 0 to 255, where that fits what is in it."""
    low, high = (float(extreme) for extreme in wide.getextrema()[:2])  # type: ignore[arg-type]
    for expected in (1.0, 255.0, 65535.0) if wide.mode == "F" else (65535.0,):
        if low >= 0 and high <= expected:
            return 0.0, expected
    return low, high


def _on_ground(picture: Image.Image) -> Image.Image:
    """Return `picture` without transparency: L for grey, CMYK as it is, RGB for all else."""
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
    """Whether more than half of what is to be seen would be lost on white."""
    if sum(alpha.histogram()[:128]) * _EDGE < alpha.width * alpha.height:
        return False
    grey = flat.convert("L")
    seen = grey.histogram(mask=alpha.point([0] * 128 + [255] * 128))
    if not any(seen):  # faint all over
        seen = grey.histogram(mask=alpha)
    return 2 * sum(seen[_LIGHT:]) > sum(seen)


def _from_lab(picture: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
    return picture.convert("L").convert("RGB") if converted is None else converted


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert from the colours of `profile` to sRGB, or leave the picture alone where the profile is broken."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        # Most pictures are sRGB already, and the conversion costs more than the decoding.
        if picture.mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
            return picture
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except MemoryError:
        raise
    except Exception:  # a broken profile must not cost the picture, whatever lcms makes of it
        return picture
    return picture if converted is None else converted
