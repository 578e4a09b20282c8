"""A search is a small value that stands in the address and is read from it again."""

import uuid

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from search.querying import BadQuery, NoSuchQuery, SearchQuery

queries = st.builds(
    SearchQuery,
    words=st.text(max_size=60).map(lambda text: SearchQuery.from_params({"q": text}).words),
    picture=st.none() | st.uuids(),
    like=st.none() | st.uuids(),
    page=st.integers(min_value=1, max_value=10**6),
)


@given(queries)
def test_a_query_is_read_from_its_address_unchanged(query: SearchQuery):
    assert SearchQuery.from_params(QueryDict(query.to_url()).dict()) == query


@given(st.dictionaries(st.sampled_from(["q", "picture", "like", "page", "x"]), st.text(max_size=40)))
def test_any_address_is_a_query_or_a_problem_in_words(params: dict[str, str]):
    outcome: object
    try:
        outcome = SearchQuery.from_params(params).page >= 1
    except BadQuery as problem:
        outcome = str(problem)
    assert outcome


def test_an_address_holds_no_more_than_was_asked():
    assert SearchQuery(words="red star").to_url() == "q=red+star"
    assert SearchQuery().to_url() == ""


@pytest.mark.parametrize("page", ["-1", "abc", "", "0", "1.5", "²", "１"])
def test_what_is_no_page_number_means_the_first_page(page: str):
    assert SearchQuery.from_params({"page": page}).page == 1


def test_an_absurd_page_number_is_still_a_page():
    assert SearchQuery.from_params({"page": "9" * 5000}).page == 10**6


def test_words_over_a_thousand_characters_are_refused_with_both_figures():
    with pytest.raises(BadQuery, match=r"1,001 characters; at most 1,000"):
        SearchQuery.from_params({"q": "a" * 1001})


def test_a_thousand_characters_are_searched():
    assert len(SearchQuery.from_params({"q": "빨" * 1000}).words) == 1000


def test_what_looks_the_same_is_the_same_query():
    composed, decomposed = "caf\u00e9  별", "cafe\u0301 \u1107\u1167\u11af\n"
    assert SearchQuery.from_params({"q": composed}) == SearchQuery.from_params({"q": decomposed})


def test_nul_and_half_a_surrogate_pair_do_not_reach_the_search():
    assert SearchQuery.from_params({"q": "red\0star\ud800"}).words == "red star"


@pytest.mark.parametrize("name", ["picture", "like"])
def test_a_token_that_is_none_is_told_as_an_unknown_picture(name: str):
    with pytest.raises(NoSuchQuery):
        SearchQuery.from_params({name: "../../etc/passwd"})


def test_the_next_page_is_the_same_search():
    like = uuid.uuid4()
    assert SearchQuery(like=like).on_page(3) == SearchQuery(like=like, page=3)
