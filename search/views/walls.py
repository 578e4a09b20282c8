"""The layout of a page of results: strong matches large, weaker ones as a quiet block, folded after two rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from search.models import Image
from search.query import SearchQuery
from search.query.query import Minimum
from search.relevance import Band
from search.retrieval import ResultPage
from search.templatetags.tiles import Look, frame_of

WIDE = 84
"""Width in rem for which the rows of the quiet block are estimated: a desktop of 1,440 pixels."""
ROWS = 2
"""Rows of weaker matches shown before "show more"."""
_GAP = 0.75
_PHONE = 22.375
"""The rem across of the wall on a phone of 390 pixels, where rows have these heights, and this gap."""
_PHONE_ROWS = {Look.QUIET: 4.75, Look.PLAIN: 7.2}
_PHONE_GAP = 0.375
FEW = 2
"""Maximum of strong matches that share one row, as high as the window allows."""
_NARROWEST = 24
"""Minimum width in rem for weaker matches beside strong ones."""
_BESIDE = 0.41
"""Their row height there, relative to the strong ones': two rows with their heading are as high."""


@dataclass(frozen=True, slots=True)
class Block:
    """Images laid out together. `weaker`: below strong matches, or `beside` them where their last row leaves room. The
    first `fits` of a folded block fill the rows of a phone."""

    images: list[Image]
    look: Look
    weaker: bool = False
    beside: bool = False
    fits: int | None = None


@dataclass(frozen=True, slots=True)
class Wall:
    """The blocks of one page. `folded` counts further results that are folded; 0 at the end, or where the next page
    follows; `folded_on_phone` is the count on a phone. `shown` counts the images on it."""

    blocks: list[Block]
    shown: int
    folded: int = 0
    folded_on_phone: int = 0


def wall_of(results: ResultPage, after: int = 0) -> Wall:
    """Return the layout of a page of results, without its first `after` images, which the client has."""
    blocks = list(_blocks(results))
    if not after and _folds(results, blocks):
        last = blocks.pop()
        room = _room_beside(results, blocks)
        kept = _first_rows(last.images, blocks[0].look.row * _BESIDE if room else last.look.row, room or WIDE)
        if len(kept) < len(last.images) or results.next:
            fits = len(_first_rows(kept, _PHONE_ROWS.get(last.look, last.look.row), _PHONE, _PHONE_GAP))
            blocks.append(Block(kept, last.look, last.weaker, beside=room > 0, fits=fits))
            shown = sum(len(block.images) for block in blocks)
            folded = max(0, results.found - (results.first - 1) - shown)
            return Wall(blocks, shown, folded, folded and folded + len(kept) - fits)
        blocks.append(last)
    shown = sum(len(block.images) for block in blocks)
    return Wall(list(_without_first(blocks, after)), shown)


def unfolded(results: ResultPage) -> SearchQuery:
    """Return the query of this page with weaker matches unfolded."""
    return results.at_page(results.query.page, all_shown=True)


def _blocks(results: ResultPage) -> Iterator[Block]:
    found: list[tuple[bool, list[Image]]] = []
    for band, images in results.sections:
        weaker = bool(results.strong) and band in {Band.RELATED, Band.WEAK}
        if found and found[-1][0] is weaker:
            found[-1][1].extend(images)
        else:
            found.append((weaker, list(images)))
    for weaker, images in found:
        yield Block(images, _look(results, weaker=weaker), weaker)


def _look(results: ResultPage, *, weaker: bool) -> Look:
    if weaker:
        return Look.QUIET
    if not results.strong or results.query.sort.is_by_date:
        return Look.PLAIN
    if results.strong <= FEW and not results.strong_is_least and results.query.page == 1:
        return Look.FEW
    return Look.STRONG


def _folds(results: ResultPage, blocks: Sequence[Block]) -> bool:
    """Whether weaker matches begin on this page, and are not unfolded."""
    query = results.query
    if query.all_shown or query.minimum is not Minimum.ANY or not blocks:
        return False
    if not results.strong:  # only the nearest, where nothing matches well
        return bool(results.scale) and query.page == 1 and bool(query.wanted) and not query.sort.is_by_date
    begins = len(blocks) > 1 or results.strong == results.first - 1
    return blocks[-1].weaker and begins


def _room_beside(results: ResultPage, blocks: Sequence[Block]) -> float:
    """Return the width in rem that the last row of strong matches leaves; 0 where it is too little."""
    if len(blocks) != 1 or results.query.page > 1 or blocks[0].look not in (Look.FEW, Look.STRONG):
        return 0
    *_, (row, across) = _rows(blocks[0].images, blocks[0].look.row, WIDE)
    room = WIDE - across - _GAP
    # A few strong matches share one row, whose height does not shrink for others beside them.
    return room if room >= _NARROWEST and (row == 1 or blocks[0].look is Look.STRONG) else 0


def _first_rows(images: Sequence[Image], height: float, wide: float, gap: float = _GAP) -> list[Image]:
    """Return as many of `images` as fill ROWS rows of this height and width, in rem."""
    rows = _rows(images, height, wide, gap)
    return [image for image, (row, _across) in zip(images, rows, strict=True) if row <= ROWS]


def _rows(images: Sequence[Image], height: float, wide: float, gap: float = _GAP) -> Iterator[tuple[int, float]]:
    """Yield for each image its row, from 1, and the width filled so far, in rem, for rows of this height and width.
    Folded copies take no room."""
    row, across = 1, -gap
    for image in images:
        if not image.copy_of:
            width = height * frame_of(image)
            across += gap + width
            if across > wide:
                row, across = row + 1, width
        yield row, across


def _without_first(blocks: Sequence[Block], count: int) -> Iterator[Block]:
    for block in blocks:
        images = block.images[count:]
        count = max(0, count - len(block.images))
        if images:
            yield Block(images, block.look, block.weaker)
