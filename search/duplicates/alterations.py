"""Alterations of copies, and bursts, which are no copies: for the evaluation."""

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import TypeAlias

from PIL import Image, ImageEnhance, ImageOps

Picture: TypeAlias = Image.Image
SHOTS = 3


def _saved_again(picture: Picture) -> Picture:
    file = BytesIO()
    picture.save(file, "JPEG", quality=50)
    return Image.open(BytesIO(file.getvalue())).convert("RGB")


def _recoloured(picture: Picture) -> Picture:
    return ImageEnhance.Color(ImageEnhance.Brightness(picture).enhance(1.15)).enhance(1.6)


def _cropped(share: float) -> Callable[[Picture], Picture]:
    def crop(picture: Picture) -> Picture:
        x, y = int(picture.width * share / 2), int(picture.height * share / 2)
        return picture.crop((x, y, picture.width - x, picture.height - y))

    return crop


ALTERATIONS: Mapping[str, Callable[[Picture], Picture]] = {
    "re-saved": _saved_again,
    "half size": lambda picture: _saved_again(picture.resize((picture.width // 2, picture.height // 2))),
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    "recoloured": _recoloured,
    "turned 2 degrees": lambda picture: picture.rotate(2, Image.Resampling.BICUBIC),
    "bordered": lambda picture: ImageOps.expand(picture, border=int(0.08 * max(picture.size)), fill="white"),
    "cropped 5 %": _cropped(0.05),
    "cropped 10 %": _cropped(0.1),
    "cropped 20 %": _cropped(0.2),
}


def burst(scene: Picture, subject: Picture) -> Iterator[Picture]:
    """Yield shots of a scene with a moving subject, by a camera that moves a little, too."""
    width, height = scene.size
    subject = subject.resize((int(width * 0.3), int(height * 0.45)))
    for number in range(SHOTS):
        shot = scene.copy()
        shot.paste(subject, (int(width * (0.1 + 0.2 * number)), int(height * 0.4)))
        x = int(width * 0.03 * number)
        yield shot.crop((x, x // 2, x + int(width * 0.94), x // 2 + int(height * 0.94)))
