"""The API's responses and request bodies, field by field. URLs are absolute."""

import datetime as dt
from typing import Literal
from uuid import UUID

from ninja import Field, Schema

from search.models import Capture, Image
from search.models.albums import AlbumVisibility, Visibility
from search.relevance import Band


class FieldError(Schema):
    field: str
    message: str


class ProblemDetails(Schema):
    """What went wrong (RFC 9457), in the language of `Accept-Language`."""

    type: str = Field(description="`about:blank` if the status is sufficient, else an address that ends in a code.")
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = Field(None, description="The invalid fields, if there are any.")


def problems(*statuses: int) -> dict[int, type[ProblemDetails]]:
    """Return what an operation answers when it fails: with these statuses, and with those that any may have."""
    return dict.fromkeys(sorted({400, 401, *statuses, 429, 500, 503}), ProblemDetails)


class ImageOut(Schema):
    """An image as in lists."""

    id: UUID
    title: str = Field(description="Empty if there is none.")
    hidden: bool = Field(description="Hidden images are visible only as `visibility` says.")
    visibility: Literal["public", "members", "own", "curators"] = Field(
        description="Who can see it: everyone, everyone with an account, its uploader, or only curators, who see all."
    )
    tags: list[str]
    author: str
    licence: str
    source_link: str
    format: Image.Format
    width: int = Field(description="In pixels, upright.")
    height: int
    orientation: Image.Orientation
    size: Image.Size = Field(description="A size class by number of pixels.")
    dominant_colour: str = Field(description="`#rrggbb`")
    colour: str = Field(description="The name of the dominant colour.")
    created: dt.datetime = Field(description="When it was added.")
    url: str = Field(description="The address of this image in the API.")
    page: str = Field(description="The page for people.")
    thumbnails: dict[str, str] = Field(
        description="URLs of WebP copies by their longest side in pixels. Don't use them after `thumbnails_end`."
    )
    thumbnails_end: dt.datetime | None = Field(
        description="When the URLs in `thumbnails` expire: request the image again by then, or use `400.webp` below"
        " its `page`, which does not. `null`: none expires."
    )


class Swatch(Schema):
    name: str = Field(description="The name of the colour: `red`.")
    colour: str = Field(description="`#rrggbb`")
    share: int = Field(description="Percent of the picture.")


class ImageDetails(ImageOut):
    """An image with all its details."""

    description: str
    colours: list[Swatch] = Field(
        description="Up to five representative colours, the largest first. Empty: not extracted yet; until then it is"
        " found only by its dominant colour."
    )
    found_by_colours: list[str] = Field(description="The values of `colour` that find it.")
    taken: str | None = Field(
        description="When it was taken, in local time (ISO 8601), with the offset from UTC if known. `null`: unknown."
    )
    taken_from: Capture.TakenFrom | None = Field(
        description="The source of `taken`: `name` and `file`, its file's name and age, are only guesses."
    )
    camera: str
    lens: str
    focal_length: float | None = Field(description="In millimetres.")
    aperture: float | None = Field(description="The f-number.")
    exposure: float | None = Field(description="In seconds.")
    iso: int | None
    rating: int | None = Field(description="1 to 5 stars.")
    latitude: float | None = Field(
        description="Only for curators, like all fields of the place, unless the site shows places to everyone; else"
        " `null`."
    )
    longitude: float | None
    country: str | None = Field(description="Its ISO 3166 code.")
    region: str | None = Field(description="Its name in GeoNames (CC BY 4.0).")
    town: str | None = Field(description="The town there or near it, by its name in GeoNames.")
    place: str | None = Field(description="All three in one line, in the language of `Accept-Language`.")
    byte_size: int = Field(description="Of the file as it was uploaded.")
    uploader: str | None = Field(description="The name of its uploader.")
    searchable: bool = Field(
        description="Whether searches find it: an image whose vector is pending is not found yet."
    )
    updated: dt.datetime
    download: str = Field(description="The file, without place and device in its metadata.")
    more_like_this: str = Field(description="The search for similar images.")


class PartOut(Schema):
    """A part of an upright picture, in fractions of its width and height: 0 is its left or top edge, 1 all of it."""

    left: float = Field(ge=0, lt=1)
    top: float = Field(ge=0, lt=1)
    width: float = Field(gt=0, le=1)
    height: float = Field(gt=0, le=1)


class Result(ImageOut):
    similarity: float | None = Field(
        description="Cosine similarity to the query, 1 at best; `null` for an empty query."
    )
    band: Band | None = Field(
        description="The relevance band, calibrated on the scores of unrelated pictures of this collection."
    )
    found_by_words: bool = Field(description="Whether the title, description or tags contain the search text.")
    part: PartOut | None = Field(
        description="Which part of a wide or tall picture is most similar to the query; `page` outlines it."
        " `null`: the picture as a whole."
    )


class Choice(Schema):
    value: str
    label: str = Field(description="In the language of `Accept-Language`.")
    count: int = Field(description="How many of the images found have it.")
    chosen: bool
    search: str = Field(description="This search with the choice added or removed.")


class Facet(Schema):
    name: str = Field(description="The parameter that filters by it.")
    label: str
    choices: list[Choice]


class SearchAnswer(Schema):
    found: int = Field(description="The exact number of images that the search ranks.")
    strong: int = Field(description="How many match strongly.")
    strong_is_least: bool = Field(description="Whether `strong` is only a lower bound.")
    page: int
    pages: int
    results: list[Result]
    facets: list[Facet]
    next: str | None = Field(description="The next page of this search.")
    previous: str | None


class Changes(Schema):
    """Changes of an image: fields that are left out stay as they are."""

    title: str | None = Field(None, max_length=300)
    description: str | None = Field(None, max_length=5000)
    author: str | None = Field(None, max_length=300)
    licence: str | None = Field(None, max_length=300)
    source_link: str | None = Field(None, max_length=2000, description="An http or https address, or empty.")
    tags: list[str] | None = Field(None, description="All tags of the image; other tags are removed.")
    visibility: Visibility | None = Field(None, description="Who can see it in addition to curators.")


class QueryPictureOut(Schema):
    """A query picture. It is kept for 30 days."""

    picture: UUID = Field(description="The token that the parameter `picture` of a search takes.")
    search: str = Field(description="The search by this picture.")
    thumbnail: str


class AlbumOut(Schema):
    """An album of images."""

    id: int
    title: str
    description: str
    owner: str | None = Field(description="The name of its owner.")
    visibility: AlbumVisibility = Field(
        description="Who can see it: `own` (owner, curators), `link` (everyone with the link), `members` or `public`."
    )
    count: int = Field(description="How many images you see in it.")
    updated: dt.datetime = Field(description="When pictures were last added, removed or moved.")
    url: str = Field(description="The address of this album in the API.")
    page: str = Field(description="The page for people.")


class AlbumDetails(AlbumOut):
    images: list[ImageOut] = Field(description="In the order of the album.")
    next: str | None = Field(description="The next page of its images.")


class AlbumsAnswer(Schema):
    albums: list[AlbumOut]
    next: str | None = Field(description="The next page.")
