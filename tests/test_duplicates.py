"""Duplicates: found by hash, vector or keypoints, decided by curators, and not reported again."""

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from contextlib import suppress
from io import BytesIO, StringIO
from typing import Any

import numpy as np
import psutil
import pytest
from django.core.management import CommandError, call_command
from PIL import Image as PILImage
from PIL import ImageDraw, ImageEnhance, ImageOps

from search.curation import Trash, change, undo
from search.duplicates import keypoint_matching, neighbourhoods
from search.duplicates.alterations import burst
from search.duplicates.cell_comparison import cell_means, cells_match
from search.duplicates.duplicate_thresholds import LIKE_ENOUGH, MOST_BITS, NEAR_ENOUGH, RESEMBLES
from search.duplicates.groups import pending_groups
from search.duplicates.merging import Kept, keep, suggested
from search.duplicates.pair_classification import Candidate, Judge, Seen
from search.duplicates.thumbnail_features import seen
from search.duplicates.workers import Ended, Workers
from search.embedding import active_model
from search.imaging.perceptual_hash import bits_apart, perceptual_hash
from search.imaging.thumbnails import compared, greys, thumbnail
from search.ingestion.fingerprints_of_changed_files import hand_over_pairs, write_fingerprints
from search.models import Capture, DuplicatePair, Fingerprint, Image, Revision, Trashed
from search.models.vector_sets import current_set
from search.objects import storage
from tests.admin_pages import said
from tests.base import a_vector, an_image, near, picture_file

pytestmark = pytest.mark.django_db

PAGE = "/admin/search/image/duplicates/"


def a_photo(seed: int = 1, size: tuple[int, int] = (400, 300)) -> PILImage.Image:
    """Noise at several scales with sharp rectangles: texture of a photo that a drawing lacks."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((size[1], size[0], 3))
    for cells in (4, 8, 16, 32):
        small = PILImage.fromarray(rng.integers(0, 255, (cells, cells, 3), dtype=np.uint8))
        pixels += np.asarray(small.resize(size, PILImage.Resampling.BICUBIC)) / 4
    picture = PILImage.fromarray(pixels.astype(np.uint8))
    for _ in range(60):
        x, y = int(rng.integers(0, size[0] - 20)), int(rng.integers(0, size[1] - 20))
        side = int(rng.integers(6, 30))
        picture.paste(tuple(int(part) for part in rng.integers(0, 255, 3)), (x, y, x + side, y + side // 2))
    return picture


def hash_of(picture: PILImage.Image) -> int | None:
    return perceptual_hash(greys(picture))


def saved_again(picture: PILImage.Image, quality: int = 40) -> PILImage.Image:
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return PILImage.open(file).convert("RGB")


def a_stored(picture: PILImage.Image, vector: Any, title: str = "", **fields: Any) -> Image:
    """A row with its thumbnail and its hash, as ingestion stores them."""
    image = an_image(title, vector=vector, width=picture.width, height=picture.height, **fields)
    storage.put(storage.rendition_key(image.pk, storage.THUMBNAIL), thumbnail(picture, 400), "image/webp")
    write_fingerprints({image.pk: hash_of(picture)})
    return image


def a_pair(one: Image, other: Image, **fields: Any) -> DuplicatePair:
    return DuplicatePair.objects.create(first=one, second=other, **{"kind": "same", **fields})


def found(*options: str) -> str:
    out = StringIO()
    call_command("find_duplicates", "--jobs", "1", *options, stdout=out)
    return out.getvalue()


def groups(kind: str = "same") -> set[frozenset[uuid.UUID]]:
    return {frozenset(group.ids) for group in pending_groups(kind)}


def group_of(*images: Image) -> frozenset[uuid.UUID]:
    return frozenset(image.pk for image in images)


# Hashes


def test_copies_have_similar_hashes_and_other_pictures_have_not():
    photo = a_photo()
    hashes = [hash_of(a_photo(seed)) for seed in range(2, 12)]
    own = hash_of(photo)
    assert own is not None
    for copy in (
        saved_again(photo),
        photo.resize((200, 150)),
        ImageOps.grayscale(photo).convert("RGB"),
        ImageOps.expand(photo, border=30, fill="white"),
    ):
        other = hash_of(copy)
        assert other is not None
        assert bits_apart(own, other) <= 6
    assert all(other is not None and bits_apart(own, other) > 10 for other in hashes)


def test_a_flat_picture_has_no_hash():
    assert hash_of(PILImage.new("RGB", (400, 300), "teal")) is None


def test_hashes_equal_those_of_imagehash():
    # The result of `phash` of ImageHash 4.3.2, computed with SciPy's transforms.
    pixels = bytes((x * y * 7 + 3 * x) % 256 for y in range(32) for x in range(32))
    assert perceptual_hash(pixels) == -9223337889862566081
    assert bits_apart(-9223337889862566081, -9223337889862566081) == 0
    assert bits_apart(0, -1) == 64


def test_an_upload_is_hashed_and_pending_for_comparison(as_alice):
    file = BytesIO()
    a_photo().save(file, "PNG")
    as_alice.post("/upload/", {"pictures": [picture_file("a.png", file.getvalue())]})
    image = Image.objects.get()
    fingerprint = Fingerprint.objects.get()
    assert fingerprint.image_id == image.pk
    assert fingerprint.perceptual is not None
    assert not fingerprint.is_compared


# Finding


def test_copies_are_found_and_others_are_not():
    vector = a_vector(1)
    first = a_stored(a_photo(1), vector)
    copy = a_stored(saved_again(a_photo(1)), near(vector, 0.97))
    a_stored(a_photo(2), near(vector, 0.96, seed=5))
    assert "3 pictures compared: 1 pairs that are the same picture" in found()
    assert groups() == {group_of(first, copy)}


def test_a_grey_copy_is_found_though_its_vector_is_far_away():
    first = a_stored(a_photo(1), a_vector(1))
    grey = a_stored(ImageOps.grayscale(a_photo(1)).convert("RGB"), a_vector(2))
    found()
    assert groups() == {group_of(first, grey)}


def test_any_number_of_images_with_equal_pixels_is_found():
    vector, pixels = a_vector(1), uuid.uuid4()
    flat = PILImage.new("RGB", (400, 300), "teal")
    copies = [a_stored(flat, vector) for _ in range(40)]
    Capture.objects.bulk_create([Capture(image=copy, pixels=pixels) for copy in copies])
    found()
    assert groups() == {group_of(*copies)}
    assert pending_groups()[0].is_exact
    assert DuplicatePair.objects.count() < 80


@pytest.mark.skipif(not keypoint_matching.is_there(), reason="OpenCV is an extra")
def test_a_crop_is_found_by_its_keypoints():
    photo, vector = a_photo(1), a_vector(1)
    first = a_stored(photo, vector)
    crop = photo.crop((30, 22, 370, 278)).resize((400, 300))
    assert bits_apart(hash_of(photo) or 0, hash_of(crop) or 0) > MOST_BITS
    cropped = a_stored(crop, near(vector, 0.8))
    a_stored(a_photo(2), near(vector, 0.85, seed=5))
    found()
    assert groups() == {group_of(first, cropped)}
    assert DuplicatePair.objects.get().points


def a_drawing(figure: str, colour: str, ground: str = "#e8d8b0") -> PILImage.Image:
    """A shape on a plain background, without keypoints."""
    picture = PILImage.new("RGB", (400, 300), ground)
    draw = ImageDraw.Draw(picture)
    if figure == "disc":
        draw.ellipse((60, 40, 140, 120), fill=colour)
    else:
        draw.polygon(((100, 30), (150, 120), (50, 120)), fill=colour)
    return picture


@pytest.mark.parametrize("has_points", [True, False])
def test_drawings_with_shapes_in_the_same_place_are_distinguished_and_copies_found(monkeypatch, has_points):
    there = keypoint_matching.is_there()
    monkeypatch.setattr(keypoint_matching, "is_there", lambda: has_points and there)
    vector = a_vector(1)
    disc = a_drawing("disc", "#b02020")
    others = [a_drawing("triangle", "#b02020"), a_drawing("disc", "#2020b0"), a_drawing("disc", "#fff0d0", "#303030")]
    assert all(bits_apart(hash_of(disc) or 0, hash_of(other) or 0) <= MOST_BITS for other in others[:2])
    copies = [
        disc,
        saved_again(disc.resize((200, 150))),
        ImageEnhance.Color(ImageEnhance.Brightness(disc).enhance(0.85)).enhance(1.5),
    ]
    for number, other in enumerate(others):
        a_stored(other, near(vector, 0.99, seed=number + 20))
    same = [a_stored(copy, near(vector, 0.95, seed=number + 30)) for number, copy in enumerate(copies)]
    found()
    assert groups() == {group_of(*same)}


def test_cells_match_a_grey_copy_but_not_another_colour():
    drawings = a_drawing("disc", "#b02020"), a_drawing("disc", "#2020b0")
    pictures = (*drawings, ImageOps.grayscale(drawings[0]).convert("RGB"))
    red, blue, grey = (cell_means(np.asarray(compared(one)[1])) for one in pictures)
    assert cells_match(red, grey)
    assert not cells_match(red, blue)


def test_files_of_dissimilar_pictures_are_not_read():
    def unread(_image: Any) -> Seen:
        raise AssertionError

    judge = Judge(unread, has_points=True)
    flat, other = 0, 2**RESEMBLES * 2 - 1
    assert judge.judged(Candidate(1, 2, 0.8, (flat, other))) is None
    assert judge.judged(Candidate(1, 3, LIKE_ENOUGH - 0.01, (flat, other >> 1))) is None
    for similarity, hashes in ((0.8, (flat, other >> 1)), (NEAR_ENOUGH, (flat, other)), (0.8, (None, other))):
        with pytest.raises(AssertionError):
            judge.judged(Candidate(1, 4, similarity, hashes))


def _points(picture: PILImage.Image) -> keypoint_matching.Points | None:
    return seen(picture).points


@pytest.mark.skipif(not keypoint_matching.is_there(), reason="OpenCV is an extra")
def test_two_shots_with_a_moved_subject_are_not_the_same():
    scene, subject = a_photo(1), a_photo(2)
    shots = list(burst(scene, subject))
    first, second = _points(shots[0]), _points(shots[1])
    copied = _points(saved_again(shots[0]))
    assert first
    assert second
    assert copied
    assert keypoint_matching.match(first, copied).is_same is True
    assert keypoint_matching.match(first, second).is_same is False


@pytest.mark.skipif(not keypoint_matching.is_there(), reason="OpenCV is an extra")
def test_the_evaluation_prints_precision_and_recall(tmp_path):
    for number in range(8):
        a_photo(number, (320, 240)).save(tmp_path / f"{number}.jpg", quality=90)
    out = StringIO()
    call_command("evaluate_duplicates", str(tmp_path), "--altered", "2", "--others", "6", stdout=out)
    assert "precision 1.0000" in out.getvalue()
    for kind in ("re-saved", "grey", "bordered", "cropped 10 %"):
        assert f"{kind:18}  100.0%" in out.getvalue()


def test_evaluating_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(CommandError, match="has fewer than two pictures"):
        call_command("evaluate_duplicates", str(tmp_path), stdout=StringIO())


def test_several_processes_find_the_same_as_one(transactional_db, monkeypatch):
    monkeypatch.setattr(neighbourhoods, "BATCH", 2)
    for number in range(1, 9):
        photo, vector = a_photo(number), a_vector(number % 3)
        a_stored(photo, near(vector, 0.9, seed=number + 20))
        a_stored(saved_again(photo), near(vector, 0.9, seed=number + 50))
    assert "16 pictures compared: 8 pairs" in found()
    one_by_one = groups()
    assert len(one_by_one) == 8
    DuplicatePair.objects.all().delete()
    out = StringIO()
    call_command("find_duplicates", "--again", "--jobs", "2", stdout=out)
    assert "16 pictures compared: 8 pairs" in out.getvalue()
    assert groups() == one_by_one


def test_a_killed_worker_process_is_an_error(transactional_db):
    a_stored(a_photo(1), a_vector(1))
    table = current_set(active_model())
    assert table
    with Workers(table, 1) as workers:
        os.kill(workers.executor.submit(os.getpid).result(), signal.SIGKILL)
        with pytest.raises(Ended):
            list(workers.compared([list(Image.objects.values_list("pk", flat=True))], threading.Event()))


ENDED = """
import os, signal, sys
import django
if __name__ == "__main__":
    django.setup()
    from search.duplicates.workers import Workers
    from search.embedding import active_model
    from search.models.vector_sets import current_set
    workers = Workers(current_set(active_model()), 1)
    print(workers.executor.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_worker_process_outlives_a_killed_command(transactional_db, settings, tmp_path):
    a_stored(a_photo(1), a_vector(1))
    script = tmp_path / "compare.py"
    script.write_text(ENDED)
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "PYTHONPATH": str(settings.BASE_DIR),
            "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
            "TEST_DATABASE": settings.DATABASES["default"]["NAME"],
            "TEST_MEDIA": str(tmp_path),
            "EMBEDDING_IMAGE_MODEL": settings.EMBEDDING_IMAGE_MODEL,
            "EMBEDDING_TEXT_MODEL": settings.EMBEDDING_TEXT_MODEL,
        },
        stdout=subprocess.PIPE,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(killed.stdout)).wait(30)


def test_neighbours_share_a_batch_and_pending_images_come_last(monkeypatch):
    monkeypatch.setattr(neighbourhoods, "BATCH", 3)
    here, there = a_vector(1), a_vector(2)
    # Alternately near one and the other vector, so that the first ids represent both neighbourhoods.
    images = sorted((a_stored(a_photo(1), here) for _number in range(6)), key=lambda image: image.pk)
    for number, image in enumerate(images):
        image.embedding = near(here if number % 2 else there, 0.95, seed=number + 20)
        image.save()
    waiting = a_stored(a_photo(2), here)
    Image.objects.filter(pk=waiting.pk).update(embedding=None, embedding_model="")
    table = current_set(active_model())
    assert table
    first, second, last = neighbourhoods.batches(table)
    assert {frozenset(first), frozenset(second)} == {group_of(*images[::2]), group_of(*images[1::2])}
    assert last == [waiting.pk]


def test_without_opencv_the_command_names_the_missing_requirement(monkeypatch):
    monkeypatch.setattr(keypoint_matching, "is_there", lambda: False)
    a_stored(a_photo(1), a_vector(1))
    assert "requirements-duplicates.txt" in found()


def test_similar_shots_are_listed_separately():
    vector, moment = a_vector(1), dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    shots = [a_stored(a_photo(seed), near(vector, 0.99, seed=seed + 50)) for seed in (1, 2)]
    later = a_stored(a_photo(3), near(vector, 0.99, seed=53))
    for image, seconds in ((shots[0], 0), (shots[1], 5), (later, 3600)):
        taken = moment + dt.timedelta(seconds=seconds)
        Capture.objects.create(image=image, taken=taken, taken_from="camera")
    assert "1 of similar shots" in found()
    assert groups() == set()
    assert groups("similar") == {group_of(*shots)}


def test_only_new_images_are_compared_unless_again_is_given():
    a_stored(a_photo(1), a_vector(1))
    assert found().startswith("1 pictures compared") or "1 pictures compared" in found()
    assert "0 pictures compared" in found()
    a_stored(a_photo(2), a_vector(2))
    assert "1 pictures compared" in found()
    assert "2 pictures compared" in found("--again")


def test_images_without_a_hash_are_hashed_from_their_thumbnails():
    image = a_stored(a_photo(1), a_vector(1))
    before = Fingerprint.objects.get().perceptual
    Fingerprint.objects.all().delete()
    found()
    fingerprint = Fingerprint.objects.get()
    assert fingerprint.image_id == image.pk
    assert fingerprint.perceptual is not None
    assert before is not None
    assert bits_apart(fingerprint.perceptual, before) <= 4


def test_pending_images_are_compared_later():
    image = a_stored(a_photo(1), a_vector(1))
    a_stored(a_photo(2), a_vector(2))
    Image.objects.filter(pk=image.pk).update(embedding=None, embedding_model="")
    assert "1 pending" in found()


# Groups


def test_groups_are_transitive_but_never_contain_a_rejected_pair():
    one, two, three, four = (an_image() for _ in range(4))
    a_pair(one, two, bits=0)
    a_pair(two, three, bits=5)
    assert groups() == {group_of(one, two, three)}
    a_pair(one, three, state="different")
    assert groups() == {group_of(one, two)}
    a_pair(three, four, bits=1)
    a_pair(four, one, bits=9)
    assert groups() == {group_of(one, two), group_of(three, four)}


def test_trashed_images_are_in_no_group():
    one, two = an_image(), an_image()
    a_pair(one, two)
    change([two.pk], Trash())
    assert groups() == set()


def test_pairs_and_hashes_follow_a_changed_id_and_are_deleted_with_their_image():
    one, two, three = an_image(), an_image(), an_image()
    write_fingerprints({one.pk: 5})
    a_pair(one, two, state="different")
    present = uuid.uuid4()
    Image.objects.filter(pk=one.pk).update(id=present)
    assert DuplicatePair.objects.get().first_id == Fingerprint.objects.get().image_id == present
    hand_over_pairs(present, three.pk)
    assert DuplicatePair.objects.get().first_id == three.pk
    Image.objects.filter(pk=two.pk).delete()
    assert not DuplicatePair.objects.exists()


def test_a_changed_file_is_compared_again_and_decisions_are_kept():
    one, two, three = an_image(), an_image(), an_image()
    Fingerprint.objects.create(image=one, perceptual=5, is_compared=True)
    a_pair(one, two)
    a_pair(one, three, state="different")
    write_fingerprints({one.pk: 6}, changed=True)
    assert not Fingerprint.objects.get().is_compared
    assert [pair.state for pair in DuplicatePair.objects.all()] == ["different"]


# Merging


def test_the_suggestion_is_by_pixels_then_format_then_date():
    small, large = an_image(width=100), an_image(width=900)
    assert suggested([small, large]).image == large
    assert "pixels" in str(suggested([small, large]).reason)
    jpeg, png = an_image(), an_image(format="PNG")
    assert suggested([png, jpeg]).image == png
    early, late = an_image(), an_image()
    for image, year in ((early, 2001), (late, 2011)):
        Capture.objects.create(image=image, taken=dt.datetime(year, 1, 1, tzinfo=dt.UTC), taken_from="camera")
    assert suggested([late, early]).image == early
    assert "date" in str(suggested([late, early]).reason)


def test_merging_combines_the_fields_and_is_undone_as_one_change(carol):
    best = an_image("", tags=["Sea"])
    other = an_image("Boat", tags=["sea", "boat"], description="By night", source_link="https://example.org/")
    Capture.objects.create(image=best, taken=dt.datetime(2020, 1, 1, tzinfo=dt.UTC), taken_from="file")
    Capture.objects.create(image=other, taken=dt.datetime(2021, 1, 1, tzinfo=dt.UTC), taken_from="camera", rating=4)
    a_pair(best, other)
    merging = keep([Kept(best.pk, [other.pk])], by=carol)
    best.refresh_from_db()
    assert (best.title, best.description, best.tags) == ("Boat", "By night", ["Sea", "boat"])
    assert best.source_link == "https://example.org/"
    assert (best.capture.taken.year, best.capture.taken_from, best.capture.rating) == (2021, "camera", 4)
    assert Trashed.objects.get().image_id == other.pk
    assert merging.revision.kind == Revision.Kind.MERGE
    undo(merging.revision, by=carol)
    best = Image.objects.get(pk=best.pk)
    assert (best.title, best.tags, best.capture.taken.year) == ("", ["Sea"], 2020)
    assert not Trashed.objects.exists()
    assert groups() == {group_of(best, other)}, "Who undoes it decides anew."


def test_merging_keeps_the_fields_of_the_kept_image(carol):
    best, other = an_image("Sea", description="Calm"), an_image("Boat", description="By night")
    keep([Kept(best.pk, [other.pk])], by=carol)
    best.refresh_from_db()
    assert (best.title, best.description) == ("Sea", "Calm")


def test_merging_into_a_trashed_image_removes_nothing(carol):
    best, other = an_image(), an_image()
    change([best.pk], Trash())
    assert keep([Kept(best.pk, [other.pk])], by=carol).going == 0
    assert Trashed.objects.count() == 1


# The page


def test_keeping_one_image_resolves_the_group(as_carol):
    best, other = an_image("Boat", width=900), an_image("Ship")
    a_pair(best, other)
    page = as_carol.get(PAGE).content.decode()
    for told in ("Boat", "Ship", "It has the most pixels.", "differs"):
        assert told in page
    answer = as_carol.post(PAGE, {"ids": [best.pk, other.pk], "keep": best.pk}, follow=True)
    assert "1 picture was moved to the trash" in said(answer)
    assert Trashed.objects.get().image_id == other.pk
    assert "nothing to decide" in as_carol.get(PAGE).content.decode()


def test_one_button_keeps_the_suggested_images_of_a_page(as_carol):
    best = [an_image(f"best {number}", width=900 + number) for number in range(3)]
    copies = [an_image(f"copy {number}") for number in range(3)]
    for one, other in zip(best, copies, strict=True):
        a_pair(one, other)
    page = as_carol.get(PAGE)
    sent = re.findall(r'name="together" value="([^"]+)"', page.content.decode())
    assert {text.split(",")[0] for text in sent} == {str(image.pk) for image in best}
    as_carol.post(PAGE, {"ids": [best[0].pk, copies[0].pk], "part": copies[0].pk})
    answer = as_carol.post(f"{PAGE}?page=2", {"together": [*sent, "x", f"{copies[1].pk},{best[1].pk}"]}, follow=True)
    assert answer.redirect_chain[-1][0].endswith("page=2")
    assert "2 pictures were moved to the trash" in said(answer)
    assert "groups have changed" in said(answer)
    assert set(Trashed.objects.values_list("image", flat=True)) == {copies[1].pk, copies[2].pk}
    assert Revision.objects.get().count == 2
    a_pair(best[0], best[1], kind="similar")
    a_pair(best[2], copies[0], kind="similar")
    assert b"together" not in as_carol.get(f"{PAGE}?kind=similar").content, "each shot is looked at"


def test_a_rejected_pair_stays_separate_when_groups_grow(as_carol):
    one, two, new = an_image(), an_image(), an_image()
    a_pair(one, two)
    as_carol.post(PAGE, {"ids": [one.pk, two.pk], "part": two.pk})
    assert groups() == set()
    a_pair(one, new, bits=1)
    a_pair(new, two, bits=2)
    assert groups() == {group_of(one, new)}


def test_keeping_all_images_settles_the_group(as_carol):
    one, two, three = an_image(), an_image(), an_image()
    a_pair(one, two)
    a_pair(two, three)
    as_carol.post(PAGE, {"ids": [one.pk, two.pk, three.pk], "stay": "yes"})
    assert groups() == set()
    assert DuplicatePair.objects.filter(state="settled").count() == 3
    assert not Trashed.objects.exists()


def test_all_exact_copies_are_merged_after_confirmation(as_carol):
    images = [an_image(str(number)) for number in range(6)]
    a_pair(images[0], images[1], is_exact=True)
    a_pair(images[1], images[2], is_exact=True)
    a_pair(images[3], images[4], bits=2)
    asked = as_carol.get(f"{PAGE}exact/")
    assert "move 2 pictures to the trash" in asked.content.decode()
    as_carol.post(f"{PAGE}exact/", {"expected": "old"})
    assert not Trashed.objects.exists()
    as_carol.post(f"{PAGE}exact/", {"expected": asked.context["digest"]})
    assert Trashed.objects.count() == 2
    assert groups() == {group_of(images[3], images[4])}


@pytest.mark.parametrize(
    "posted",
    [{}, {"keep": "x"}, {"ids": ["x", "y"], "keep": "x"}, {"ids": [str(uuid.UUID(int=1))], "part": "\0"}],
)
def test_an_invalid_form_changes_nothing(as_carol, posted):
    a_pair(an_image(), an_image())
    assert as_carol.post(PAGE, posted).status_code == 302
    assert len(groups()) == 1
    assert not Trashed.objects.exists()


def test_the_pages_need_permission(client, as_alice):
    for address in (PAGE, f"{PAGE}exact/"):
        assert as_alice.get(address).status_code in (302, 403)


def test_the_page_takes_few_queries(as_carol, django_assert_max_num_queries):
    for _ in range(12):
        a_pair(an_image(), an_image())
    as_carol.get(PAGE)
    with django_assert_max_num_queries(20):
        as_carol.get(PAGE)


# On the search page


def test_copies_among_the_results_are_folded_under_the_first(client):
    vector = a_vector(1)
    best, copy, other, second, unlike = (an_image(name, vector=near(vector, 0.95 - number / 100)) for number, name in
        enumerate(("best", "copy", "other", "second", "unlike")))  # fmt: skip
    a_pair(copy, best)
    a_pair(second, copy, state="settled")
    a_pair(unlike, best, state="different")
    a_pair(other, best, kind="similar")
    page = client.get("/", {"q": "something"}).content.decode()
    shown = sorted((best, copy, second), key=lambda image: page.index(f'data-image="{image.pk}"'))
    assert page.count(f'data-copy-of="{shown[0].pk}"') == page.count("data-copy-of") == 2
    assert page.count("tile-copy") == 2
    assert (
        page.index(f'data-image="{shown[0].pk}"')
        < page.index("2 more copies")
        < page.index(f'data-image="{shown[1].pk}"')
    )
