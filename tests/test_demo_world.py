"""The demo's drawings, their captions in several languages, and the small models trained on them."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from search.demo import (
    IMAGE_MODEL,
    LANGUAGES,
    TEXT_MODEL,
    Scene,
    Statement,
    caption,
    draw,
    draw_collection,
    example_queries,
)
from search.demo.collection import COLUMNS
from search.demo.scenes import COLOURS, SHAPES, is_unseen, pairs, random_scene, random_statement
from search.demo.trainer.model_evaluation import Gallery, copies_found, encode, hang_gallery, precision_by_language

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

THREE_RED_STARS = Scene("star", "red", 3, "small", "left", "white")


@pytest.fixture(scope="module")
def image_model() -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(IMAGE_MODEL), device="cpu")


@pytest.fixture(scope="module")
def text_model() -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(TEXT_MODEL), device="cpu")


@pytest.fixture(scope="module")
def gallery(image_model: SentenceTransformer) -> Gallery:
    return hang_gallery(image_model, seed=5, unseen=12, seen=3, long_side=240)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_collection(tmp_path_factory.mktemp("demo"), count=20)


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_same_seed_draws_the_same_picture():
    assert draw(THREE_RED_STARS, 1, 160).tobytes() == draw(THREE_RED_STARS, 1, 160).tobytes()


def test_another_seed_draws_another_picture():
    assert draw(THREE_RED_STARS, 1, 160).tobytes() != draw(THREE_RED_STARS, 2, 160).tobytes()


def test_a_small_drawing_is_the_large_one_scaled_down():
    large, small = draw(THREE_RED_STARS, 4, 640), draw(THREE_RED_STARS, 4, 160)
    away = np.asarray(large.resize(small.size, Image.Resampling.BOX), dtype=float) - np.asarray(small, dtype=float)
    assert np.abs(away).mean() < 4


def test_every_drawable_scene_can_be_drawn():
    rng = random.Random(8)
    for number in range(60):
        assert max(draw(random_scene(rng), number, 96).size) == 96


def test_a_scene_with_the_colour_of_its_background_is_not_drawable():
    assert not Scene("star", "white", 1, "small", "left", "white").drawable


def test_training_includes_most_combinations_of_every_colour_and_shape():
    unseen = [pair for pair in pairs() if is_unseen(*pair)]
    assert 0.1 < len(unseen) / len(list(pairs())) < 0.2
    assert all(sum(colour == own for colour, _ in unseen) <= 3 for own in COLOURS)
    assert all(sum(shape == own for _, shape in unseen) <= 3 for own in SHAPES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_statement_has_a_caption(language):
    rng = random.Random(3)
    for _ in range(300):
        statement = random_statement(random_scene(rng), rng)
        assert caption(language, statement).strip()
        words = caption(language, statement, rng)
        assert words == " ".join(words.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_different_colours_and_shapes_have_different_captions(language):
    words = {caption(language, Statement(shape=shape, colour=colour)) for colour, shape in pairs()}
    assert len(words) == len(COLOURS) * len(SHAPES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_several_distinct_example_queries(language):
    queries = example_queries(language)
    assert len(set(queries)) == len(queries) >= 5


def test_captions_are_grammatical():
    whole = Statement("star", "red", 3, "small", "left", "black")
    assert caption("en", whole) == "three small red stars on the left on a black background"
    assert caption("ko", Statement("star", "red", 3, "small", background="black")) == "검은 배경에 작은 빨간 별 세 개"
    assert caption("de", Statement("flower", "red", 1)) == "eine einzelne rote Blume"
    assert caption("fr", Statement("star", "white", 2)) == "deux étoiles blanches"
    assert caption("es", Statement("fish", "blue", 2)) == "dos peces azules"
    assert caption("ja", Statement("star", "red")) == "赤い星"
    assert caption("zh", Statement("star", "red")) == "红色的星星"


def test_an_empty_statement_has_no_caption():
    with pytest.raises(ValueError, match="empty statement"):
        caption("en", Statement())


def test_a_statement_holds_if_all_of_its_parts_are_true():
    assert Statement(shape="star", count=3).holds(THREE_RED_STARS)
    assert not Statement(shape="star", count=2).holds(THREE_RED_STARS)


def test_the_table_lists_every_picture(collection):
    listed = rows(collection)
    assert tuple(listed[0]) == COLUMNS
    assert {row["path"] for row in listed} == {path.name for path in collection.parent.iterdir() if path != collection}


def test_the_pictures_can_be_opened_and_have_captions_in_two_languages(collection):
    for row in rows(collection):
        with Image.open(collection.parent / row["path"]) as picture:
            picture.load()
            assert max(picture.size) == 640
        colour, shape = row["tags"].split(",")
        assert colour in row["title"].lower()
        assert caption("ko", Statement(shape=shape)) in row["description"]


def test_drawing_the_collection_again_rewrites_no_picture(collection):
    before = {path: path.stat().st_mtime_ns for path in collection.parent.glob("*-*")}
    draw_collection(collection.parent, count=20)
    assert {path: path.stat().st_mtime_ns for path in collection.parent.glob("*-*")} == before


def test_a_missing_picture_is_drawn_again(collection):
    lost = collection.parent / rows(collection)[3]["path"]
    was = lost.read_bytes()
    lost.unlink()
    draw_collection(collection.parent, count=20)
    assert lost.read_bytes() == was


def test_importing_the_demo_loads_neither_torch_nor_django():
    code = "import sys, search.demo; print([name for name in ('torch', 'django') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_both_models_together_are_small():
    files = [path for folder in (IMAGE_MODEL, TEXT_MODEL) for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8_000_000


def test_texts_and_pictures_share_512_dimensions(image_model, text_model):
    assert encode(image_model, [draw(THREE_RED_STARS, 1)]).shape == encode(text_model, ["red star"]).shape == (1, 512)


def test_combinations_outside_the_training_data_are_found_in_every_language(text_model, gallery):
    precision = precision_by_language(text_model, gallery, unseen=True)
    wanted = {language: 0.9 if language in ("en", "ko") else 0.8 for language in LANGUAGES}
    assert {language: share for language, share in precision.items() if share < wanted[language]} == {}


def test_unknown_words_match_nothing_with_confidence(text_model, gallery):
    known = encode(text_model, ["red star", "빨간 별", "blue fish"]) @ gallery.vectors.T
    unknown = encode(text_model, ["dog", "강아지", "고양이", "犬", "bicycle", "perro"]) @ gallery.vectors.T
    assert unknown.max(1).max() < 0.7 * known.max(1).min()


def test_case_accents_and_unicode_forms_make_no_difference(text_model):
    written = [
        "étoile rouge 별",
        "ÉTOILE ROUGE 별",
        "etoile rouge 별",
        unicodedata.normalize("NFD", "étoile rouge 별"),
    ]
    plain, shouted, bare, jamo = encode(text_model, written)
    assert min(plain @ shouted, plain @ bare, plain @ jamo) > 0.999


def test_a_half_size_jpeg_copy_finds_its_original_first(image_model, gallery):
    assert copies_found(image_model, gallery, every=12) >= 0.95


def test_pictures_with_more_in_common_are_more_similar(image_model):
    stars = [draw(Scene("star", "red", 3, "small", "left", "white"), seed, 240) for seed in (1, 2)]
    other = draw(Scene("fish", "blue", 1, "large", "centre", "sand"), 3, 240)
    first, second, far = encode(image_model, [*stars, other])
    assert first @ second > first @ far + 0.3
