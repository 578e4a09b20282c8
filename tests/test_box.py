"""Parsing the text of the search box."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.query.parser import ParsedText, parse_text


@pytest.mark.parametrize(
    ("text", "meant", "unwanted", "quoted"),
    [
        ("red star", "red star", (), ()),
        ("a star -red", "a star", ("red",), ()),
        ('a star -"dark blue" sky', "a star sky", ("dark blue",), ()),
        ('"harbour" at night', "harbour at night", (), ("harbour",)),
        ("“부산 항구” 밤", "부산 항구 밤", (), ("부산 항구",)),
        ("별 -빨간", "별", ("빨간",), ()),
        ("-red", "", ("red",), ()),
        ("-red -red", "", ("red",), ()),
        ("half-timbered house", "half-timbered house", (), ()),
        ("red - blue", "red - blue", (), ()),
        ("rock -- roll", "rock -- roll", (), ()),
        ('5" disc', '5" disc', (), ()),
        ('never "closed', 'never "closed', (), ()),
        ('empty "" marks', 'empty "" marks', (), ()),
        ("", "", (), ()),
    ],
)
def test_text_is_split_into_wanted_unwanted_and_quoted(
    text: str, meant: str, unwanted: tuple[str, ...], quoted: tuple[str, ...]
):
    assert parse_text(text) == ParsedText(meant, unwanted, quoted)


@given(st.text(alphabet='ab -"“”\n\t별', max_size=40))
def test_no_letter_of_the_box_is_lost(text: str):
    box = parse_text(text)
    written = sorted(character for character in text if character.isalpha())
    kept = sorted(character for character in "".join([box.meant, *box.unwanted]) if character.isalpha())
    # What is written twice is unwanted once.
    assert set(kept) == set(written)
