"""Pages of a TIFF whose samples Pillow can't read as they are: it decodes grey pages, from which they are put
together."""

from io import BytesIO
from typing import Any

from PIL import Image, ImageFile, ImageMath
from PIL.Image import Resampling, Transform
from PIL.TiffImagePlugin import TiffImageFile

from search.containers.tiff_page import Samples
from search.imaging.srgb_conversion import level_range, scaled


class SampledTiff(ImageFile.ImageFile):
    """A page of 8 bits per sample, from grey pages with samples of any depth."""

    format = "TIFF"

    def __init__(self, file: BytesIO, samples: Samples) -> None:
        self.pages, self.samples = TiffImageFile(file), samples
        super().__init__(file)

    def _open(self) -> None:
        self._size, self._mode = (self.samples.width, self.samples.height), self.samples.mode
        if profile := self.pages.info.get("icc_profile"):
            self.info["icc_profile"] = profile

    def load(self) -> Any:
        if self._im is None:
            self.im = self._merged().im
        return Image.Image.load(self)

    def _merged(self) -> Image.Image:
        used, mode = Image.getmodebands(self.mode), self.mode
        planes = [_unsigned(plane, self.samples) for plane in self._planes(used)]
        colours = used - 1 if mode in ("LA", "La", "RGBA", "RGBa") else used
        low, high = self._range(planes[:colours])
        bands = [scaled(plane, low, high) for plane in planes[:colours]]
        bands += [scaled(plane, *self._range([plane], is_alpha=True)) for plane in planes[colours:]]
        return bands[0] if len(bands) == 1 else Image.merge(mode, bands)

    def _planes(self, used: int) -> list[Image.Image]:
        """Return the grey planes of the first `used` samples."""
        if self.samples.is_planar:
            planes = []
            for number in range(used):
                self.pages.seek(number)
                planes.append(self.pages.copy())
            return planes
        self.pages.load()
        count = self.samples.count
        if count == 1:
            return [self.pages]
        # Every `count`-th pixel of the grey page, from its `number`-th on.
        steps = [(count, 0, number + 0.5 - count / 2, 0, 1, 0) for number in range(used)]
        return [self.pages.transform(self.size, Transform.AFFINE, step, Resampling.NEAREST) for step in steps]

    def _range(self, planes: list[Image.Image], *, is_alpha: bool = False) -> tuple[float, float]:
        """Return the values that are black and white, or transparent and opaque."""
        if not self.samples.is_float and (is_alpha or self.samples.bits < 32):
            return 0.0, 2.0**self.samples.bits - 1
        if is_alpha:
            return 0.0, 1.0
        extremes = [float(extreme) for plane in planes for extreme in plane.getextrema()]  # type: ignore[arg-type]
        return level_range(extremes, is_float=True)


def _unsigned(plane: Image.Image, samples: Samples) -> Image.Image:
    """Return samples of 32 bits, which were read as signed integers, as unsigned ones."""
    if samples.is_float or samples.bits < 32:
        return plane
    unsigned: Image.Image = ImageMath.lambda_eval(
        lambda use: use["float"](use["plane"]) + use["float"](use["plane"] < 0) * 2.0**32, plane=plane
    )
    return unsigned
