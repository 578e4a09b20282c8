"""SQL of a search is built once for all searches of the same shape, which differ in values only, and never reused for
another shape."""

import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet

from search.embedding import active_model
from search.indexing import query_plan
from search.models import Image, sql_cache
from search.query import Filters, Kind, Mode, Part, SearchQuery, Sort
from search.retrieval import candidate_sql, query_vector
from search.retrieval.candidate_generation import CandidateSearch
from search.retrieval.images_by_id import shown_images
from search.retrieval.query_vector import query_vector_of
from search.retrieval.ranking_and_bands import Candidate
from search.retrieval.search_scope import Scope
from tests.base import a_vector, an_image, near


class SqlValues(NamedTuple):
    names: tuple[str, ...] = ()
    day: dt.date | None = None
    ids: Any = None


class SqlMaker:
    """Builds SQL for the test, and records the values that it was given."""

    def __init__(self) -> None:
        self.given: list[SqlValues] = []

    def __call__(self, form: str, given: SqlValues) -> sql_cache.Sql:
        self.given.append(given)
        if form == "nothing":
            raise EmptyResultSet
        values = [*given.names, *([] if given.day is None else [given.day])]
        return f"{form} {', '.join(['%s'] * len(values))} = %s", [*values, "constant"]


def test_the_sql_maker_gets_no_values_and_is_called_once_per_shape() -> None:
    make, today = SqlMaker(), dt.date(2026, 3, 31)
    first = sql_cache.sql_of(make, "a", SqlValues(("one", "two"), today))
    second = sql_cache.sql_of(make, "a", SqlValues(("three", "four"), dt.date(2026, 4, 1)))
    assert first == ("a %s, %s, %s = %s", ["one", "two", today, "constant"])
    assert second == (first[0], ["three", "four", dt.date(2026, 4, 1), "constant"])
    (given,) = make.given
    assert all(isinstance(one, sql_cache.Blank) for one in (*given.names, given.day))
    assert given.ids is None


@pytest.mark.parametrize(
    ("form", "given"),
    [
        ("b", SqlValues(("one", "two"))),
        ("a", SqlValues(("one",))),
        ("a", SqlValues()),
        ("a", SqlValues(("one", "two"), dt.date(2026, 3, 31))),
        ("a", SqlValues(("one", "two"), ids=[1])),
    ],
    ids=["another form", "fewer values", "none", "one more condition", "a list"],
)
def test_another_shape_has_its_own_sql(form: str, given: SqlValues) -> None:
    make = SqlMaker()
    sql_cache.sql_of(make, "a", SqlValues(("one", "two")))
    sql_cache.sql_of(make, form, given)
    assert len(make.given) == 2


def test_a_list_is_one_value_of_any_length() -> None:
    make = SqlMaker()
    for ids in ([], [1], [1, 2, 3]):
        sql_cache.sql_of(make, "a", SqlValues(ids=ids))
    assert len(make.given) == 1


def test_an_empty_result_is_raised_each_time() -> None:
    for _ in range(2):
        with pytest.raises(EmptyResultSet):
            sql_cache.sql_of(make_nothing, "nothing", SqlValues())


make_nothing = SqlMaker()

TOWARDS, AWAY = a_vector(1), a_vector(2)
DAY = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)


@pytest.fixture
def collection(monkeypatch: pytest.MonkeyPatch) -> dict[str, Image]:
    """Two pictures that differ in every filterable field, and two more; words have two vectors."""
    monkeypatch.setattr(query_vector, "text_vector", lambda words: AWAY if "night" in words else TOWARDS)
    alice, bob = (User.objects.create_user(name) for name in ("alice", "bob"))
    one = an_image(
        "red boat", vector=near(TOWARDS, 0.9), tags=["sea", "day"], format="JPEG", width=3000, height=2000,
        dominant_colour="#c02020", licence="CC0", uploader=alice, description="A boat.",
    )  # fmt: skip
    other = an_image(
        "blue house", vector=near(TOWARDS, 0.7, seed=3), tags=["town", "night"], format="PNG", width=600, height=900,
        dominant_colour="#2040c0", licence="CC BY 4.0", uploader=bob,
    )  # fmt: skip
    third = an_image("red house", vector=near(AWAY, 0.9), tags=["sea", "night"])
    hidden = an_image("red boat at night", vector=TOWARDS, tags=["sea"], hidden=True)
    for number, image in enumerate((one, other, third, hidden)):
        Image.objects.filter(pk=image.pk).update(created=DAY + dt.timedelta(days=number))
    return {image.title: image for image in (one, other, third, hidden)}


def candidates(query: SearchQuery) -> list[Candidate]:
    scope = Scope(query)
    found = CandidateSearch(scope, query_vector_of(scope.wanted, query.unwanted)).candidates()
    return sorted(found, key=lambda one: one.id)


def uncached_sql(make: Callable[..., sql_cache.Sql], form: Any, given: NamedTuple) -> tuple[str, list[Any]]:
    """As `sql_of`, but without the cache and with the values themselves."""
    sql, values = make(form, given)
    return sql, list(values)


def filtered(**filters: Any) -> SearchQuery:
    return SearchQuery(words="red", filters=Filters(**filters))


PAIRS = {
    "words": (SearchQuery(words="red"), SearchQuery(words="house")),
    "words alone": (SearchQuery(words="red", mode=Mode.WORDS), SearchQuery(words="house", mode=Mode.WORDS)),
    "meaning": (SearchQuery(words="red", mode=Mode.MEANING), SearchQuery(words="night", mode=Mode.MEANING)),
    "quoted": (SearchQuery(words='"red boat"'), SearchQuery(words='"blue house"')),
    "unwanted": (SearchQuery(words="red -night"), SearchQuery(words="house -boat")),
    "nothing wanted": (SearchQuery(words="-night"), SearchQuery(words="-boat")),
    "oldest": (SearchQuery(words="red", sort=Sort.OLDEST), SearchQuery(words="house", sort=Sort.OLDEST)),
    "tag": (filtered(tags=("sea",)), filtered(tags=("town",))),
    "two tags": (filtered(tags=("sea", "day")), filtered(tags=("town", "night"))),
    "formats": (filtered(formats=("JPEG",)), filtered(formats=("PNG",))),
    "orientations": (filtered(orientations=("landscape",)), filtered(orientations=("portrait",))),
    "sizes": (filtered(sizes=("large", "huge")), filtered(sizes=("small", "medium"))),
    "colours": (filtered(colours=("red",)), filtered(colours=("blue",))),
    "colours together": (
        filtered(colours=("red", "mostly-red"), together=True),
        filtered(colours=("blue", "mostly-blue"), together=True),
    ),
    "licences": (filtered(licences=("CC0",)), filtered(licences=("CC BY 4.0",))),
    "uploader": (filtered(uploader="alice"), filtered(uploader="bob")),
    "since": (filtered(since=DAY.date()), filtered(since=dt.date(2026, 4, 1))),
    "until": (filtered(until=DAY.date()), filtered(until=dt.date(2026, 4, 1))),
    "described": (filtered(described=True), filtered(described=False)),
    "older address": (SearchQuery(words="red", seen=int(DAY.timestamp())), SearchQuery(words="red", seen=2 * 10**9)),
}  # fmt: skip
"""Pairs of searches of the same shape with different candidates."""


@pytest.mark.django_db
@pytest.mark.parametrize("walks", [False, True], ids=["scan", "walk"])
def test_cached_sql_of_another_search_finds_the_same_as_its_own(
    walks: bool, collection: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = collection["red boat"].id, collection["blue house"].id
    pairs = dict(PAIRS)
    for name, wanted in (("more like", True), ("less like", False)):
        first, second = (
            SearchQuery(words="red", parts=(Part(Kind.IMAGE, key, wanted=wanted),)) for key in (one, other)
        )
        pairs[name] = first, second
    if walks:
        for first, _second in pairs.values():
            candidates(first)  # the rows are scanned as well if the index returns too few
        monkeypatch.setattr(query_plan, "EXACT_BELOW", 0)
        monkeypatch.setattr(query_plan, "ROW_SCANNED", 10**12)
    for name, (first, second) in pairs.items():
        candidates(first)
        before = sql_cache._made.cache_info()
        found = candidates(second)
        after = sql_cache._made.cache_info()
        assert (after.misses, after.hits > before.hits) == (before.misses, True), name
        with monkeypatch.context() as patched:
            patched.setattr(candidate_sql, "sql_of", uncached_sql)
            assert found == candidates(second), name
            assert candidates(first) != found, name
        assert collection["red boat at night"].id not in {one.id for one in found}, name


@pytest.mark.django_db
def test_after_a_switch_of_models_the_same_search_reads_the_new_vectors(
    collection: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = active_model()
    an_image("of the next model", vector=TOWARDS, embedding_model="the next model")
    query = SearchQuery(words="red")
    assert {one.id for one in candidates(query)} <= {image.id for image in collection.values()}
    for module in ("query_vector", "search_scope"):
        monkeypatch.setattr(f"search.retrieval.{module}.active_model", lambda: "the next model")
    (found,) = candidates(query)
    assert found.id == Image.objects.get(title="of the next model").pk
    assert found.similarity == pytest.approx(1, abs=1e-3)
    for module in ("query_vector", "search_scope"):
        monkeypatch.setattr(f"search.retrieval.{module}.active_model", lambda: before)
    assert found.id not in {one.id for one in candidates(query)}


@pytest.mark.django_db
@pytest.mark.parametrize("for_tiles", [False, True])
def test_images_by_id_equal_those_of_django_without_hidden_ones(collection: dict[str, Image], for_tiles: bool) -> None:
    keys = [image.pk for image in collection.values()]
    for asked in (keys, keys[1:3], []):
        found = shown_images(asked, for_tiles=for_tiles)
        rows = (Image.objects.for_tiles() if for_tiles else Image.objects.for_lists()).shown().in_bulk(asked)
        assert {key: vars(image) | {"_state": None} for key, image in found.items()} == {
            key: vars(image) | {"_state": None} for key, image in rows.items()
        }
        assert not any(image._state.adding for image in found.values())
        assert [image.description for image in found.values()] == [rows[key].description for key in found]
