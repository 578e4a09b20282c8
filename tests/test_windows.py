"""Windows of wide and tall pictures: things at their ends are found."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from PIL import Image as Pictures

from search import checks
from search.curation.details import Details
from search.demo.drawing import draw
from search.demo.scenes import Scene
from search.embedding import Picture, active_model, picture_encoder, text_encoder
from search.imaging import UNIT, Box, is_wide
from search.imaging.wide_picture_windows import MOST, is_middle, windows_of
from search.ingestion import add_picture
from search.models import Image, ImageVector
from search.objects import storage
from tests import pictures
from tests.base import an_image

SKY, SEA, RED = (150, 190, 225), (60, 110, 140), (200, 20, 20)
SIZES = {"6:1": (1200, 200), "16:9": (480, 270), "a strip": (200, 2200)}


def sky_and_sea(size: tuple[int, int]) -> Picture:
    ground = Pictures.new("RGB", size, SKY)
    ground.paste(SEA, (0, size[1] * 6 // 10, *size))
    return ground


def white(size: tuple[int, int]) -> Picture:
    return Pictures.new("RGB", size, "white")


def full(size: tuple[int, int]) -> Picture:
    """A picture full of detail, on which nothing stands out."""
    rng = random.Random(3)
    small = Pictures.new("RGB", (size[0] // 20, size[1] // 20))
    small.putdata(
        [(rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255)) for _ in range(small.width * small.height)]
    )
    return small.resize(size, Pictures.Resampling.BICUBIC)


def with_a_star(ground: Picture, left: int, top: int, side: int) -> Picture:
    ground.paste(a_star().resize((side, side)), (left, top))
    return ground


def a_star() -> Picture:
    scene = Scene(shape="star", colour="red", count=1, size="large", place="centre", background="sand")
    star = draw(scene, 5, 240)
    short = min(star.size)
    return star.crop(
        ((star.width - short) // 2, (star.height - short) // 2, (star.width + short) // 2, (star.height + short) // 2)
    )


def covers(box: Box, size: tuple[int, int], thing: tuple[int, int, int, int]) -> bool:
    left, top, right, bottom = box.of(size)
    slack = max(size) // 100 + 1
    return (
        left <= thing[0] + slack
        and top <= thing[1] + slack
        and right >= thing[2] - slack
        and bottom >= thing[3] - slack
    )


# Which windows


@pytest.mark.parametrize(
    ("size", "wide"),
    [
        ((1500, 1000), False),
        ((1600, 1000), False),
        ((1601, 1000), True),
        ((1920, 1080), True),
        ((1080, 1920), True),
        ((900, 900), False),
    ],
)
def test_pictures_longer_than_sixteen_to_ten_are_wide(size: tuple[int, int], wide: bool):
    assert is_wide(*size) is wide


@pytest.mark.parametrize(
    "size", [(480, 270), (270, 480), (600, 300), (900, 300), (1500, 300), (300, 1800), (4000, 300)]
)
def test_windows_of_a_detailed_picture_are_squares_that_cover_its_long_side_up_to_eight(
    size: tuple[int, int],
):
    found = windows_of(full(size))
    assert 2 <= len(found) <= MOST
    axis = int(size[1] > size[0])
    edges = [(box[axis], box[axis + 2]) for box in found]
    short = UNIT * min(size) / max(size)
    assert edges[0][0] == 0
    assert edges[-1][1] == UNIT
    assert all(abs(end - start - short) <= 20 for start, end in edges)
    steps = [after[0] - before[0] for before, after in pairwise(edges)]
    assert max(steps) - min(steps) <= 40
    if len(found) < MOST:
        assert max(steps) <= 0.62 * short


def test_the_middle_one_of_an_odd_number_of_windows_is_what_the_model_sees_of_the_picture():
    size = (480, 270)
    found = windows_of(full(size))
    assert [is_middle(box, size) for box in found] == [False, True, False]


@pytest.mark.parametrize("ground", [sky_and_sea, white])
@pytest.mark.parametrize(
    ("size", "left", "top", "side"),
    [
        ((1200, 200), 60, 0, 200),
        ((1200, 200), 960, 40, 120),
        ((480, 270), 0, 168, 102),
        ((480, 270), 380, 0, 100),
        ((260, 2600), 10, 60, 240),
    ],
)
def test_on_a_plain_ground_the_window_fits_the_thing(
    ground: Callable[[tuple[int, int]], Picture], size: tuple[int, int], left: int, top: int, side: int
):
    if ground is sky_and_sea and size[1] > size[0]:
        pytest.skip("a sky over a sea is wide")
    picture = with_a_star(ground(size), left, top, side)
    (box,) = windows_of(picture)
    assert covers(box, size, (left, top, left + side, top + side))
    around = box.of(size)
    assert around[2] - around[0] <= 1.1 * side + 2


def test_each_of_several_things_has_a_window_in_order():
    picture = white((1600, 200))
    for left in (50, 500, 1300):
        with_a_star(picture, left, 20, 160)
    boxes = windows_of(picture)
    assert len(boxes) == 3
    for box, left in zip(boxes, (50, 500, 1300), strict=True):
        assert covers(box, picture.size, (left, 20, left + 160, 180))


def test_very_many_things_share_windows_and_none_is_left_out():
    picture = white((200, 6000))
    tops = range(50, 5900, 300)
    for top in tops:
        with_a_star(picture, 20, top, 160)
    boxes = windows_of(picture)
    assert len(boxes) == MOST
    assert boxes[0].top <= UNIT * 60 // 6000
    assert boxes[-1].bottom >= UNIT * (tops[-1] + 150) // 6000


@pytest.mark.parametrize("size", [(1200, 200), (200, 1200)])
def test_a_picture_of_one_colour_has_no_windows(size: tuple[int, int]):
    assert windows_of(white(size)) == []


@pytest.mark.parametrize("size", [(16_000, 1), (3, 9000), (40_000, 60)])
def test_lines_and_very_long_strips_are_no_errors(size: tuple[int, int]):
    picture = Pictures.linear_gradient("L").resize(size).convert("RGB")
    assert len(windows_of(picture)) <= MOST


def test_a_box_is_at_least_one_pixel_and_within_the_picture():
    assert Box(9_999, 0, 10_000, 1).of((10, 10)) == (9, 0, 10, 1)
    assert Box(0, 0, UNIT, UNIT).of((7, 3)) == (0, 0, 7, 3)


# Stored windows


@pytest.fixture
def panorama() -> bytes:
    return pictures.encoded(with_a_star(sky_and_sea((1200, 200)), 40, 0, 200), "PNG")


def vectors_of(image: Image) -> list[int]:
    return sorted(ImageVector.objects.filter(image=image).values_list("window_index", flat=True))


def nearest_window(image: Image, text: str) -> tuple[int, float]:
    """The window nearest to the words, and its similarity."""
    (query,) = text_encoder().encode_texts([text])
    rows = ImageVector.objects.filter(image=image).values_list("window_index", "embedding")
    scores = {number: float(query @ vector) for number, vector in rows}
    number = max(scores, key=lambda one: scores[one])
    return number, scores[number]


@pytest.mark.django_db
def test_a_star_at_the_left_of_a_panorama_is_found_by_its_window(panorama: bytes):
    image = add_picture(panorama, Details(), None).image
    assert vectors_of(image) == [0, 1]
    for words in ("a red star", "빨간 별"):
        number, score = nearest_window(image, words)
        (query,) = text_encoder().encode_texts([words])
        assert number == 1
        assert score > float(query @ image.embedding) + 0.2
    box = image.window_box(1)
    assert box is not None
    assert covers(box, (image.width, image.height), (40, 0, 240, 200))


@pytest.mark.django_db
def test_an_upright_picture_has_one_vector_only():
    image = add_picture(pictures.encoded(full((300, 200)), "PNG"), Details(), None).image
    assert (vectors_of(image), image.windows) == ([0], [])


@pytest.mark.django_db
def test_the_middle_window_shares_the_vector_of_the_whole_picture(
    monkeypatch: pytest.MonkeyPatch,
):
    encoder = picture_encoder()
    counts = []

    def counting(pictures: list[Picture]) -> object:
        counts.append(len(pictures))
        return type(encoder).encode_pictures(encoder, pictures)

    monkeypatch.setattr(encoder, "encode_pictures", counting, raising=False)
    image = add_picture(pictures.encoded(full((480, 270)), "PNG"), Details(), None).image
    assert counts == [3]
    assert vectors_of(image) == [0, 1, 2, 3]
    rows = dict(ImageVector.objects.filter(image=image).values_list("window_index", "embedding"))
    assert list(rows[2]) == list(rows[0])
    assert list(rows[1]) != list(rows[0])


@pytest.mark.django_db
def test_windows_of_a_turned_picture_are_upright():
    lying = with_a_star(white((1200, 200)), 40, 0, 200)
    data = pictures.encoded(lying, "JPEG", exif=pictures.exif(6)) if hasattr(pictures, "exif") else b""
    if not data:
        exif = Pictures.Exif()
        exif[0x0112] = 6
        data = pictures.encoded(lying, "JPEG", exif=exif)
    image = add_picture(data, Details(), None).image
    assert (image.width, image.height) == (200, 1200)
    box = image.window_box(1)
    assert box is not None
    assert covers(box, (200, 1200), (0, 40, 200, 240))
    assert nearest_window(image, "a red star")[0] == 1


@pytest.mark.django_db
def test_a_deleted_picture_leaves_no_windows(panorama: bytes):
    add_picture(panorama, Details(), None).image.delete()
    assert not ImageVector.objects.exists()


# Existing pictures


def image_without_windows(data: bytes) -> Image:
    """A picture as added by an earlier version."""
    image = add_picture(data, Details(), None).image
    ImageVector.objects.filter(image=image, window_index__gt=0).delete()
    Image.objects.filter(pk=image.pk).update(windows=None)
    return image


def problems() -> list[str]:
    return [found.msg for found in checks.wide_pictures_are_seen_whole(None, ["default"])]


@pytest.mark.django_db(transaction=True)
def test_pictures_of_an_earlier_version_get_their_windows_and_stay_searchable(
    panorama: bytes, capsys: pytest.CaptureFixture[str]
):
    image = image_without_windows(panorama)
    upright = image_without_windows(pictures.encoded(full((300, 200)), "PNG"))
    before = list(Image.objects.get(pk=image.pk).embedding)
    assert problems() == ["1 wide or tall pictures can only be found by their centre."]
    assert Image.objects.searchable(active_model()).count() == 2

    call_command("embed_pending", windows=True)

    assert "1 wide or tall pictures embedded whole, 0 pending, 0 failed." in capsys.readouterr().out
    image = Image.objects.get(pk=image.pk)
    assert vectors_of(image) == [0, 1]
    assert list(image.embedding) == before
    assert vectors_of(upright) == [0]
    assert problems() == []
    call_command("embed_pending", windows=True)
    assert "0 wide or tall pictures embedded whole" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_an_unreadable_picture_is_reported_and_does_not_block_others(
    panorama: bytes, capsys: pytest.CaptureFixture[str]
):
    lost = image_without_windows(pictures.encoded(with_a_star(white((1000, 200)), 40, 0, 200), "PNG"))
    storage.delete([storage.original_key(lost.pk)])
    image = image_without_windows(panorama)

    with pytest.raises(SystemExit):
        call_command("embed_pending", windows=True)

    out = capsys.readouterr()
    assert str(lost.pk) in out.err
    assert "1 wide or tall pictures embedded whole, 1 pending, 1 failed." in out.out
    assert vectors_of(image) == [0, 1]
    assert Image.objects.searchable(active_model()).count() == 2
    assert problems() == []


@pytest.mark.django_db
def test_windows_and_watch_exclude_each_other():
    with pytest.raises(CommandError, match="--windows and --watch exclude"):
        call_command("embed_pending", windows=True, watch=True)


# Pages


@pytest.mark.django_db
def test_the_page_of_a_picture_outlines_the_window_named_in_its_address(client: Client):
    image = an_image("A panorama", width=1200, height=200, windows=[500, 0, 2500, 10_000])
    outlined = client.get(f"{image.get_absolute_url()}?window=1").text
    assert 'x="5.0" y="0.0" width="20.0" height="100.0"' in outlined
    assert "The outlined part matches the search best." in outlined
    headers = {"HX-Request": "true", "HX-Target": "panel"}
    in_light_box = client.get(f"{image.get_absolute_url()}?window=1", headers=headers).text
    assert 'x="5.0" y="0.0" width="20.0" height="100.0"' in in_light_box
    for address in ("", "?window=0", "?window=2", "?window=x", "?window=%C2%B2", "?window=11"):
        page = client.get(f"{image.get_absolute_url()}{address}")
        assert page.status_code == 200
        assert "stage-part" not in page.text


@pytest.mark.django_db
def test_windows_have_four_edges_each():
    from django.db import IntegrityError, transaction

    image = an_image()
    with pytest.raises(IntegrityError), transaction.atomic():
        Image.objects.filter(pk=image.pk).update(windows=[1, 2, 3])
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
