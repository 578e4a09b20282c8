"""Comparing two models on the same queries: by vectors stored for both, and by encoding files."""

import json
import random
import uuid
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from search import demo
from search.demo.captions import caption
from search.demo.drawing import draw
from search.demo.scenes import Statement, pairs, random_scene
from search.embedding import active_pair, forget, identity_of
from search.embedding.loading import once_of
from search.indexing.vector_set_search import nearest
from search.model_comparison.pairs import sets_here
from search.models import Image, ImageVector, Judgement, Origin
from search.models.image import content_id
from search.models.origins import origin_id
from search.models.vector_sets import VectorTable, make_set
from search.models.vector_values import Vector, Vectors, unit_vectors
from tests.base import a_vector, an_image, near, picture_bytes

OTHER, OTHER_WORDS = "another/model", "another/text-model"


def axis(number: int, dimensions: int = 32) -> Vector:
    vector = np.zeros(dimensions, dtype=np.float32)
    vector[number] = 1
    return vector


class Words:
    """A text model that returns a fixed vector for each known text."""

    backend = "by heart"

    def __init__(self, known: Mapping[str, Vector], dimensions: int) -> None:
        self.known, self.dimensions = known, dimensions

    def encode_texts(self, texts: Any) -> Vectors:
        return np.stack([self.known[text] for text in texts])


class World:
    """Thirty images, with random vectors of the active model and axes as vectors of another one."""

    def __init__(self) -> None:
        self.images = [an_image(f"Picture {number}", seed=number) for number in range(30)]
        self.other = make_set(OTHER, 32)
        self.put(self.other, {image: axis(number) for number, image in enumerate(self.images)})

    def put(self, table: VectorTable, vectors: Mapping[Image, Vector], window: int = 0) -> None:
        ImageVector.objects.bulk_create(
            ImageVector(image=image, set_id=table.id, window_index=window, embedding=vector)
            for image, vector in vectors.items()
        )

    def teach(self, words: Mapping[str, tuple[Vector, Vector]]) -> None:
        """Set the vectors of these texts in the active model and the other one."""
        active, other = ({text: both[side] for text, both in words.items()} for side in (0, 1))
        once_of("words").set(Words(active, 512))
        once_of("words", OTHER).set(Words(other, 32))

    def table(self, path: Path, *rows: tuple[str, str, Image, int]) -> str:
        lines = [f"{query},{language},{image.pk},{grade}" for query, language, image, grade in rows]
        path.write_text("\n".join(["query,language,id,grade", *lines]))
        return str(path)


@pytest.fixture
def world(db) -> Iterator[World]:
    yield World()
    once_of("words").set(None)
    forget(OTHER)
    forget(OTHER_WORDS)


def run(*args: str) -> tuple[str, str]:
    out, complaints = StringIO(), StringIO()
    call_command("compare_models", *args, stdout=out, stderr=complaints)
    return out.getvalue(), complaints.getvalue()


def as_json(*args: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(*args, "--json", "--model", OTHER, OTHER)[0])
    return told


def values(told: dict[str, Any], side: str, language: str) -> dict[str, float]:
    return {name: figure["value"] for name, figure in told["languages"][language][side].items()}


# On the collection


def test_metrics_follow_from_the_ranks_by_language_and_overall(world: World, tmp_path: Path):
    first, second, third = world.images[:3]
    # The active model ranks the first image first and the second one last; the other model ranks both first.
    world.teach({"sea": (a_vector(0), axis(0)), "바다": (near(a_vector(1), -1.0), axis(1))})
    table = world.table(
        tmp_path / "own.csv", ("sea", "en", first, 2), ("바다", "ko", second, 1), ("바다", "ko", third, 0)
    )
    told = as_json(table)
    perfect = {"recall@1": 1, "recall@5": 1, "recall@10": 1, "MRR": 1, "nDCG@10": 1}
    assert (told["pictures"], told["left_out"], told["problems"]) == (30, 0, [])
    assert values(told, "first", "en") == values(told, "second", "ko") == perfect
    assert values(told, "first", "ko") == pytest.approx({**dict.fromkeys(perfect, 0), "MRR": 1 / 30})
    assert values(told, "second", "all together")["MRR"] == 1
    assert values(told, "first", "all together")["MRR"] == pytest.approx((1 + 1 / 30) / 2)
    assert values(told, "difference", "all together")["nDCG@10"] == 0.5


def test_hidden_pictures_and_those_without_both_vectors_are_not_searched(world: World, tmp_path: Path):
    hidden, alone, found = world.images[:3]
    Image.objects.filter(pk=hidden.pk).update(hidden=True)
    ImageVector.objects.filter(image=alone, set_id=world.other.id).delete()
    world.teach({"sea": (a_vector(2), axis(2))})
    table = world.table(
        tmp_path / "own.csv", ("sea", "en", hidden, 1), ("sea", "en", alone, 1), ("sea", "en", found, 1)
    )
    told = as_json(table)
    assert (told["pictures"], told["pictures_without_both_vectors"]) == (28, 1)
    assert "1 more pictures are not searched here" in run(table, "--model", OTHER, OTHER)[0]
    assert [problem["where"] for problem in told["problems"]] == ["own.csv line 2", "own.csv line 3"]
    assert {problem["reason"].partition(": ")[2] for problem in told["problems"]} == {
        "This picture is hidden, or has no vector of both models."
    }
    assert values(told, "second", "en")["recall@1"] == 1


def test_a_wide_image_is_ranked_by_its_best_window(world: World, tmp_path: Path):
    wide = world.images[0]
    world.put(world.other, {wide: axis(31)}, window=3)
    world.teach({"sea": (a_vector(0), axis(31))})
    told = as_json(world.table(tmp_path / "own.csv", ("sea", "en", wide, 1)))
    assert values(told, "second", "en")["MRR"] == 1
    assert nearest(world.other, axis(31), 2)[0].id == wide.pk
    assert len({one.id for one in nearest(world.other, axis(31), 30)}) == 30


def test_a_partitioned_vector_set_is_measured_the_same_way(world: World, tmp_path: Path):
    parted = make_set("a parted/model", 32, 4)
    world.put(parted, {image: axis(number) for number, image in enumerate(world.images)})
    assert [one.id for one in nearest(parted, axis(7), 1)] == [world.images[7].pk]
    world.teach({"sea": (a_vector(4), axis(4))})
    once_of("words", "a parted/model").set(Words({"sea": axis(4)}, 32))
    table = world.table(tmp_path / "own.csv", ("sea", "en", world.images[4], 1))
    told = json.loads(run(table, "--json", "--model", OTHER, OTHER, "--model", "a parted/model", "a parted/model")[0])
    assert values(told, "second", "en") == values(told, "first", "en")
    forget("a parted/model")


def test_the_index_finds_the_same_as_a_scan(world: World, monkeypatch: pytest.MonkeyPatch):
    world.put(world.other, {world.images[0]: axis(9)}, window=1)
    scanned = nearest(world.other, axis(9), 5)
    monkeypatch.setattr("search.indexing.vector_set_search.EXACT_UP_TO", -1)
    walked = nearest(world.other, axis(9), 5)
    assert (
        {one.id for one in walked[:2]} == {one.id for one in scanned[:2]} == {world.images[0].pk, world.images[9].pk}
    )
    assert len({one.id for one in walked}) == 5


# Identifying images


def test_images_are_identified_by_path_or_content(world: World, tmp_path: Path):
    came, stays, twice, again = world.images[:4]
    content = picture_bytes("teal")
    (tmp_path / "read.jpg").write_bytes(content)
    changed = an_image("Read", id=content_id(content), seed=77)
    world.put(world.other, {changed: axis(30)})
    Image.objects.filter(pk=stays.pk).update(original_location="s3://photos/2020/stays.jpg")
    for image, address in ((came, "/photos/a/came.jpg"), (twice, "/photos/a/x.jpg"), (again, "/photos/b/x.jpg")):
        Origin.objects.create(id=origin_id(address, "1"), address=address, image_id=image.pk)
    Origin.objects.create(id=origin_id("/gone.jpg", "1"), address="/gone.jpg", image_id=uuid.uuid4())
    lines = ["came.jpg", "2020/stays.jpg", "read.jpg", "x.jpg", "b\\x.jpg", "gone.jpg", "none.jpg", str(uuid.uuid4())]
    (tmp_path / "own.csv").write_text("query,path\n" + "".join(f"sea,{line}\n" for line in lines))
    world.teach({"sea": (a_vector(0), axis(0))})
    told = as_json(str(tmp_path / "own.csv"))
    assert {problem["where"]: problem["reason"].partition(": ")[2] for problem in told["problems"]} == {
        "own.csv line 5": "2 pictures here have this name: give more of the path, or the id.",
        "own.csv line 7": "This picture is not in the collection.",
        "own.csv line 8": "This picture is not in the collection.",
        "own.csv line 9": "This picture is not in the collection.",
    }
    assert values(told, "second", "")["recall@1"] == 1 / 4, "Four pictures fit, and one of them is first."


def test_two_names_of_one_picture_count_once(world: World, tmp_path: Path):
    image = world.images[0]
    Origin.objects.create(id=origin_id("/a.jpg", "1"), address="/a.jpg", image_id=image.pk)
    (tmp_path / "own.csv").write_text(f"query,path\nsea,a.jpg\nsea,{image.pk}\n")
    world.teach({"sea": (a_vector(0), axis(0))})
    assert values(as_json(str(tmp_path / "own.csv")), "second", "")["recall@1"] == 1


# Output


def many(world: World, tmp_path: Path, count: int = 24) -> str:
    """Queries for which the active model finds nothing, and the other one everything."""
    words = {f"thing {number}": (near(a_vector(number), -1.0), axis(number)) for number in range(count)}
    world.teach(words)
    return world.table(
        tmp_path / "own.csv", *((text, "en", world.images[number], 1) for number, text in enumerate(words))
    )


def test_the_report_says_which_model_is_better_and_whether_it_is_significant(world: World, tmp_path: Path):
    out, complaints = run(many(world, tmp_path), "--model", OTHER, OTHER)
    assert f"A  {identity_of(str(demo.IMAGE_MODEL))}\nB  {OTHER}\n24 queries, 30 pictures." in out
    assert "en: B finds better than A, and by more than chance (+1.000 in nDCG@10, +1.000 to +1.000)." in out
    assert "recall@1  0.000 (0.000 to 0.000)  1.000 (1.000 to 1.000)  +1.000 (+1.000 to +1.000)" in out
    assert complaints == ""
    out, _ = run(str(tmp_path / "own.csv"), "--model", OTHER, OTHER, "--queries", "5")
    assert "en: too few queries to decide, 5 of 20 at least" in out
    out, _ = run(str(tmp_path / "own.csv"), "--model", OTHER, OTHER, "--model", str(demo.IMAGE_MODEL))
    assert "en: B finds" not in out
    assert "A finds better than B" in out, "In the order in which they were named."


def test_equal_models_are_reported_as_no_difference(world: World, tmp_path: Path):
    words = {f"thing {number}": (a_vector(number), axis(number)) for number in range(24)}
    world.teach(words)
    rows = [(text, "en", world.images[number], 1) for number, text in enumerate(words)]
    out, _ = run(world.table(tmp_path / "own.csv", *rows), "--model", OTHER, OTHER)
    assert "en: no difference that is more than chance (+0.000 in nDCG@10, +0.000 to +0.000)." in out


def test_problems_are_listed_in_full_only_in_json(world: World, tmp_path: Path):
    table = Path(many(world, tmp_path))
    table.write_text(table.read_text() + "\n" + "".join(f"sea,en,{n}.jpg,1\n" for n in range(150)))
    _, complaints = run(str(table), "--model", OTHER, OTHER)
    assert "own.csv line 26: 0.jpg: This picture is not in the collection." in complaints
    assert "... and 50 more" in complaints
    assert len(as_json(str(table))["problems"]) == 150


def test_the_results_of_one_query_are_printed_side_by_side(world: World):
    world.teach({"sea": (a_vector(3), axis(5))})
    out, _ = run("--query", "sea", "--model", OTHER, OTHER)
    first = next(line for line in out.splitlines() if line.startswith("  1  "))
    assert first.split("1.000 ")[1:] == [f"{'Picture 3':38}", "Picture 5"]
    assert "in both lists; Kendall's tau" in out


def test_two_text_models_are_compared_on_the_same_vectors(world: World):
    world.teach({"sea": (a_vector(3), axis(5))})
    once_of("words", OTHER_WORDS).set(Words({"sea": axis(6)}, 32))
    out, _ = run("--query", "sea", "--model", OTHER, OTHER, "--model", OTHER, OTHER_WORDS)
    assert out.startswith(f"A  {OTHER}, {OTHER}\nB  {OTHER}, {OTHER_WORDS}\n")
    own = active_pair().image
    once_of("words", OTHER_WORDS).set(Words({"sea": a_vector(4)}, 512))
    out, _ = run("--query", "sea", "--model", own, OTHER_WORDS)
    first = next(line for line in out.splitlines() if line.startswith("  1  "))
    assert first.split("1.000 ")[1:] == [f"{'Picture 3':38}", "Picture 4"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Name a labelled set"),
        (["own.csv", "--judgements"], "Name a labelled set"),
        (["none.csv"], "none.csv can't be read"),
        (["own.csv", "--model", "a/stranger"], "no vectors of a/stranger here"),
        (["own.csv", "--model", "a", "b", "c"], "one name, or two"),
        (["own.csv", "--model", "a", "--model", "b", "--model", "c"], "at most twice"),
        (["own.csv", "--images", "nowhere", "--model", "a"], "nowhere is not a folder"),
        (["own.csv", "--images", "."], "Name one or two models"),
        (["--judgements", "--images", ".", "--model", "a"], "leave out --images"),
        (["--judgements", "--model", OTHER, OTHER], "the curators' judgements"),
        (["--query", "", "--model", OTHER, OTHER], "Describe what the pictures should show"),
        (["--query", "x" * 2_000, "--model", OTHER, OTHER], "2,000 characters"),
        (["--export", "no/folder/a.csv"], "no/folder/a.csv: No such file"),
    ],
)
def test_invalid_arguments_are_explained(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
):
    monkeypatch.chdir(tmp_path)
    world.teach({"sea": (a_vector(0), axis(0))})
    world.table(tmp_path / "own.csv", ("sea", "en", world.images[0], 1))
    with pytest.raises(CommandError, match=told):
        run(*arguments)


def test_a_labelled_set_without_stored_images_is_an_error(world: World, tmp_path: Path):
    (tmp_path / "own.csv").write_text("query,path\nsea,none.jpg\n")
    with pytest.raises(CommandError, match=r"No query of own.csv has a matching picture here"):
        run(str(tmp_path / "own.csv"), "--model", OTHER, OTHER)


def test_a_single_vector_set_can_not_be_compared(db, tmp_path: Path):
    an_image()
    (tmp_path / "own.csv").write_text("query,path\nsea,a.jpg\n")
    assert len(sets_here()) == 1
    with pytest.raises(CommandError, match="switch_model"):
        run(str(tmp_path / "own.csv"))


def test_an_unknown_text_model_must_be_given(world: World, tmp_path: Path):
    world.teach({"sea": (a_vector(0), axis(0))})
    with pytest.raises(CommandError, match=f"The text model of {OTHER} is unknown"):
        run(world.table(tmp_path / "own.csv", ("sea", "en", world.images[0], 1)))


def test_a_text_model_with_other_dimensions_is_an_error(world: World, drawings: Path, tmp_path: Path):
    table = world.table(tmp_path / "own.csv", ("sea", "en", world.images[0], 1))
    with pytest.raises(CommandError, match="gives vectors of 512 dimensions, and the pictures have 32"):
        run(table, "--model", OTHER, str(demo.TEXT_MODEL))


# Judgements of curators


def test_judgements_are_a_labelled_set_and_can_be_exported(world: World, carol, tmp_path: Path):
    world.teach({"sea": (a_vector(0), axis(0)), '바다, "파도"': (a_vector(1), axis(1))})
    Judgement.say("sea", "en", world.images[0].pk, 2, carol)
    Judgement.say("sea", "en", world.images[1].pk, 0, carol)
    Judgement.say('바다, "파도"', "ko", world.images[1].pk, 1, carol)
    told = as_json("--judgements")
    assert values(told, "second", "all together")["nDCG@10"] == 1
    assert told["judged@10"]["second"] == pytest.approx((1 + 1 + 1) / 20, abs=0.06)
    out, _ = run("--judgements", "--model", OTHER, OTHER)
    assert "are judged. Results without a judgement count as not fitting" in out

    out, _ = run("--export", str(tmp_path / "judged.csv"))
    assert "3 judgements written" in out
    assert (tmp_path / "judged.csv").read_text().splitlines()[0] == "query,language,id,grade,judge,judged"
    assert as_json(str(tmp_path / "judged.csv"))["languages"] == told["languages"]


# On files


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty drawings with captions in English and Korean, in the format of XM3600."""
    folder, rng = tmp_path_factory.mktemp("drawings"), random.Random(5)
    lines = []
    for number, (colour, shape) in enumerate(rng.sample(list(pairs()), 30)):
        draw(random_scene(rng, colour, shape), number, 160).save(folder / f"{number}.jpg")
        said = Statement(shape=shape, colour=colour)
        captions = {language: {"caption": [caption(language, said)]} for language in ("en", "ko")}
        lines.append({"image/key": str(number), "image/locale": "en", **captions})
    lines.append({"image/key": "none", "en": {"caption": ["nothing"]}})
    (folder / "broken.jpg").write_bytes(b"no picture")
    lines.append({"image/key": "broken", "en": {"caption": ["broken"]}})
    (folder / "captions.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


class Blind:
    """A model that gives each picture and text a random vector of 32 dimensions."""

    backend, window, dimensions = "by chance", None, 32

    def __init__(self) -> None:
        self._random = np.random.default_rng(4)

    def encode_pictures(self, pictures: Any) -> Vectors:
        return unit_vectors(self._random.normal(size=(len(pictures), 32)), count=len(pictures))

    encode_texts = encode_pictures


@pytest.fixture
def blind() -> Iterator[str]:
    for kind in ("pictures", "words"):
        once_of(kind, "a blind/model").set(Blind())
    yield "a blind/model"
    forget("a blind/model")


def test_files_are_encoded_by_two_models_without_the_collection(
    drawings: Path, blind: str, db, django_assert_num_queries
):
    captions = str(drawings / "captions.jsonl")
    with django_assert_num_queries(0):
        out, complaints = run(captions, "--images", str(drawings), "--model", blind)
    assert "en: A finds better than B, and by more than chance" in out
    assert "ko: A finds better than B, and by more than chance" in out
    assert "60 queries, 30 pictures; left out, since no matching picture is here: 2." in out
    assert "captions.jsonl line 31: none.jpg: There is no such file in the folder." in complaints
    assert "captions.jsonl line 32: broken.jpg: " in complaints


def test_a_labelled_set_without_existing_files_is_an_error(drawings: Path, blind: str, db, tmp_path: Path):
    (tmp_path / "own.csv").write_text("query,path\nsea,none.jpg\n")
    with pytest.raises(CommandError, match=r"No query of own.csv has a matching picture here"):
        run(str(tmp_path / "own.csv"), "--images", str(drawings), "--model", blind)
