"""A search is a small value that is written to the address and read from it."""

import datetime as dt
import re
import uuid

import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st

from search.imaging import COLOUR_NAMES
from search.models import Image
from search.query import BadQuery, Filters, Kind, Minimum, Mode, NoSuchQuery, Part, SearchQuery, Sort
from search.query.anchors import Anchor
from search.query.query_parts import MAX_PARTS
from search.text.normalization import normalised_text

texts = st.text(max_size=60).map(normalised_text)
some_text = texts.filter(bool)
weights = st.integers(min_value=10, max_value=300).map(lambda hundredths: hundredths / 100)
parts = st.one_of(
    st.builds(Part, kind=st.just(Kind.PICTURE), value=st.uuids(), weight=weights),
    st.builds(Part, kind=st.just(Kind.IMAGE), value=st.uuids(), weight=weights, wanted=st.booleans()),
    st.builds(Part, kind=st.just(Kind.WORDS), value=some_text, weight=weights, wanted=st.just(False)),
)
days = st.none() | st.dates(min_value=dt.date(1000, 1, 1), max_value=dt.date(9000, 1, 1))


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=4, unique=True).map(tuple)


filters = st.builds(
    Filters,
    tags=several(some_text),
    formats=several(st.sampled_from(Image.Format.values)),
    orientations=several(st.sampled_from(Image.Orientation.values)),
    sizes=several(st.sampled_from(Image.Size.values)),
    colours=several(st.sampled_from(COLOUR_NAMES)),
    licences=several(some_text),
    uploader=texts,
    since=days,
    until=days,
    described=st.none() | st.booleans(),
).filter(lambda one: not (one.since and one.until) or one.since <= one.until)
queries = st.builds(
    SearchQuery,
    words=texts,
    words_weight=weights,
    parts=st.lists(parts, max_size=MAX_PARTS).map(tuple),
    filters=filters,
    mode=st.sampled_from(Mode),
    minimum=st.sampled_from(Minimum),
    sort=st.sampled_from(Sort),
    page=st.integers(min_value=1, max_value=10**6),
    seen=st.none() | st.integers(min_value=0, max_value=10**11),
    after=st.none() | st.builds(Anchor, st.floats(-2, 2) | st.integers(-(10**16), 10**16), st.uuids()),
)
NAMES = [
    *("q", "q_weight", "picture", "picture_weight", "like", "not", "not_weight", "unlike", "tag", "format", "colour"),
    *("uploader", "since", "until", "described", "mode", "min", "sort", "page", "seen", "after", "x"),
]


@settings(deadline=None)
@given(queries)
def test_a_query_is_read_from_its_address_unchanged(query: SearchQuery):
    assert SearchQuery.from_params(QueryDict(query.to_url())) == query


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.text(max_size=40), max_size=3)))
def test_any_address_is_a_query_or_a_problem_in_words(params: dict[str, list[str]]):
    outcome: object
    try:
        outcome = SearchQuery.from_params(params).page >= 1
    except BadQuery as problem:
        outcome = str(problem)
    assert outcome


def test_an_address_contains_only_given_parameters():
    assert SearchQuery(words="red star").to_url() == "q=red+star"
    assert SearchQuery().to_url() == ""


@pytest.mark.parametrize("page", ["-1", "abc", "", "0", "1.5", "²", "１"])
def test_an_invalid_page_number_means_the_first_page(page: str):
    assert SearchQuery.from_params({"page": [page]}).page == 1


def test_a_huge_page_number_is_valid():
    assert SearchQuery.from_params({"page": ["9" * 5000]}).page == 10**6


def test_words_over_a_thousand_characters_are_refused_with_both_numbers():
    with pytest.raises(BadQuery, match=r"1,001 characters; the limit is 1,000"):
        SearchQuery.from_params({"q": ["a" * 1001]})


def test_a_thousand_characters_are_searched():
    assert len(SearchQuery.from_params({"q": ["빨" * 1000]}).words) == 1000


def test_equivalent_unicode_is_the_same_query():
    composed, decomposed = "caf\u00e9  별", "cafe\u0301 \u1107\u1167\u11af\n"
    assert SearchQuery.from_params({"q": [composed]}) == SearchQuery.from_params({"q": [decomposed]})


def test_nul_and_lone_surrogates_are_removed():
    assert SearchQuery.from_params({"q": ["red\0star\ud800"]}).words == "red star"


@pytest.mark.parametrize("name", ["picture", "like"])
def test_an_invalid_token_is_reported_as_an_unknown_picture(name: str):
    with pytest.raises(NoSuchQuery):
        SearchQuery.from_params({name: ["../../etc/passwd"]})


def test_weights_belong_to_the_parts_at_the_same_positions():
    one, other = uuid.uuid4(), uuid.uuid4()
    query = SearchQuery.from_params({"like": [str(one), str(other)], "like_weight": ["0.5", ""]})
    assert query.parts == (Part(Kind.IMAGE, one, 0.5), Part(Kind.IMAGE, other))
    assert SearchQuery.from_params({"like": [str(one), str(other)], "like_weight": ["2"]}).parts[1].weight == 1


def test_a_weight_of_one_is_not_written():
    assert "weight" not in SearchQuery(parts=(Part(Kind.IMAGE, uuid.uuid4()),)).to_url()


@pytest.mark.parametrize("weight", ["0", "-1", "3.5", "nan", "inf", "much"])
def test_an_invalid_weight_is_reported(weight: str):
    with pytest.raises(BadQuery, match=f"“{weight}” is not a weight"):
        SearchQuery.from_params({"q": ["red"], "q_weight": [weight]})


def test_more_like_an_image_removes_less_like_it():
    image_id = uuid.uuid4()
    assert SearchQuery().less_like(image_id).more_like(image_id) == SearchQuery().more_like(image_id)


def test_a_changed_query_begins_at_its_first_page():
    query = SearchQuery(words="red", page=7, seen=1_700_000_000).more_like(uuid.uuid4())
    assert (query.page, query.seen) == (1, None)


def test_too_many_parts_are_refused_with_both_numbers():
    with pytest.raises(BadQuery, match="can have 12 parts; this one has 13"):
        SearchQuery.from_params({"not": [f"word {number}" for number in range(13)]})


@pytest.mark.parametrize("term", ["-{}", '"{}"', '-"{}"'])
def test_parts_typed_in_the_search_box_are_limited_too(term: str):
    words = [term.format(f"word{number}") for number in range(13)]
    assert SearchQuery.from_params({"q": [" ".join(words[1:])]})
    with pytest.raises(BadQuery, match="can have 12 parts; this one has 13"):
        SearchQuery.from_params({"q": [" ".join(words)]})


def test_unwanted_words_have_the_same_limit_of_length():
    assert SearchQuery.from_params({"not": ["x" * 1000]})
    with pytest.raises(BadQuery, match="has 1,001 characters; the limit is 1,000"):
        SearchQuery.from_params({"not": ["x" * 1001]})


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"format": ["XCF"]}, "“XCF” is not a value of “format”. Possible values: JPEG"),
        ({"colour": ["ultraviolet"]}, "“ultraviolet” is not a value of"),
        ({"since": ["yesterday"]}, "“yesterday” is not a date"),
        ({"since": ["2026-02-02"], "until": ["2026-02-01"]}, "is after its last day"),
        ({"mode": ["magic"]}, "Possible values: both, meaning, words"),
        ({"tag": ["x" * 61]}, "the limit is 60 characters"),
        ({"licence": [str(number) for number in range(21)]}, "can have 20 values"),
    ],
)
def test_invalid_parameters_are_reported(params: dict[str, list[str]], words: str):
    with pytest.raises(BadQuery, match=re.escape(words)):
        SearchQuery.from_params(params)
