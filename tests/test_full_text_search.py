"""Full-text search: which titles match, the order of rows that match, and their pages."""

import datetime as dt
import sys
import unicodedata
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client, RequestFactory
from django.utils import timezone
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from search.admin.images import ImageAdmin
from search.curation import Describe, Tag, change, undo
from search.indexing import query_plan
from search.models import Image, ImageWords
from search.query import Filters, Minimum, Mode, SearchQuery, Sort
from search.query.parser import parse_text
from search.relevance import Band
from search.relevance.band_thresholds import Scale
from search.retrieval import candidate_generation as candidates_module
from search.retrieval import find, query_vector
from search.retrieval.all_results import best_of
from search.retrieval.highlighting import marks
from search.text.folding import fold
from search.text.normalization import normalised_text
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db

ASKED, UNWANTED = a_vector(1), a_vector(2)
TITLES = [
    "COVID-19",
    "2024-05-01",
    "iPhone-12",
    "black/white",
    "AC/DC",
    "U.S. flag",
    "IMG_1234.jpg",
    "DSC_0042 (2).NEF",
    "3.5 mm",
    "-5 °C",
    "1,000.50 €",
    "New York-Paris",
    "user@example.com",
    "https://example.org/a-b?c=d#e",
    "C:\\pictures\\me.jpg",
    "O'Brien’s “café”",
    "rock'n'roll & <b>blues</b>",
    "C++ | C#: 50% !important:*",
    "हिन्दी में तस्वीर",
    "தமிழ் எழுத்து",
    "عَرَبِيّ",
    "كِتَاب أَحْمَد",
    "שָׁלוֹם עוֹלָם",
    'צה"ל',
    "می‌خواهم",
    "東京タワー・夜景",
    "北京的故宫",
    "ภาพถ่ายทะเล",
    "고양이가 잔다",
    "ＦＵＬＬ　ｗｉｄｔｈ １２",
    "ﬁne ﬂowers",
    "Straße nach İzmir",
    "ΟΔΟΣ ΣΟΦΟΣ",
    "co\u00adoperate",
    "🐶",
    "👨‍👩‍👧 at the beach ❤️",
    "👍🏽👍",
    "1️⃣ first",
    "🇰🇷 Seoul",
    "!!!",
    "?! ... -",
    "\\'",
    "Lego™ №5 ½ m²",
    "x" * 300,
    "한" * 300,
]


@pytest.fixture(autouse=True)
def _text_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: UNWANTED if words == "unwanted" else ASKED)


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unrelated pictures score 0 with a spread of 0.1; related begins at 0.4 and strong at 0.6."""
    scale = Scale(mean=0.0, spread=0.1, strong=0.6, related=0.4)
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, pictures, whole=False: scale)


@pytest.fixture
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four candidates by words and three by meaning."""
    monkeypatch.setattr(candidates_module, "MOST_BY_WORDS", 4)
    monkeypatch.setattr(query_plan, "SCAN", replace(query_plan.SCAN, candidates=3))


def asked(words: str, **fields: Any) -> SearchQuery:
    return replace(SearchQuery.from_params({"q": [words]}), **fields)


def found_by_words(words: str) -> list[str]:
    return [image.title for image in find(asked(words)).images if image.by_words]


def all_of(query: SearchQuery) -> list[Image]:
    """The images of all pages."""
    first = find(query)
    return [image for page in range(1, first.pages + 1) for image in find(first.at_page(page)).images]


# --- Matching titles ---


@pytest.mark.parametrize("title", TITLES)
def test_a_typed_title_finds_its_picture(title: str) -> None:
    an_image(title)
    an_image("something else, which was written of another picture")

    for mode in (Mode.BOTH, Mode.WORDS):
        best = find(asked(f'"{title}"' if title.startswith("-") else title, mode=mode)).images[0]
        assert (best.title, best.by_words) == (normalised_text(title), True)


@pytest.mark.parametrize("title", [title for title in TITLES if not set(title) & set('"“”„«»')])
def test_a_quoted_title_finds_its_picture(title: str) -> None:
    an_image(title)

    for mode in (Mode.BOTH, Mode.WORDS):
        assert found_by_words(f'"{title}"') == [normalised_text(title)]
        assert find(asked(f'"{title}"', mode=mode)).found == 1


def test_curators_find_every_title(rf: RequestFactory) -> None:
    for title in TITLES:
        an_image(title)
    for title in map(normalised_text, TITLES):
        found, _ = ImageAdmin(Image, admin.site).get_search_results(rf.get("/"), Image.objects.all(), title)
        assert title in found.values_list("title", flat=True)
    for words, title in (("cafe BRIEN", "O'Brien’s “café”"), ("izmir strasse", "Straße nach İzmir")):
        found, _ = ImageAdmin(Image, admin.site).get_search_results(rf.get("/"), Image.objects.all(), words)
        assert list(found.values_list("title", flat=True)) == [title]


SOME_TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("aB1 -_./'’،،্‍िﬁ😀漢ย́"), max_size=40)


class AnyTitle(TestCase):
    @settings(max_examples=40, derandomize=True, deadline=None, database=None)
    @given(st.lists(SOME_TEXT.map(normalised_text), min_size=20, max_size=20))
    def test_any_title_holds_the_words_that_are_read_from_it(self, titles: list[str]) -> None:
        boxes = [(title, parse_text(title)) for title in titles]
        # A title that is nothing but filters, such as "added:2014", asks for no words.
        asking = [(title, box) for title, box in boxes if title and (box.meant or not box.typed)]
        typed = [(title, box.meant) for title, box in asking if not box.unwanted]
        quoted = [
            (title, *box.quoted)
            for title, box in ((title, parse_text(f'"{title}"')) for title in titles)
            if box.quoted
        ]
        assume(typed)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT title, words FROM unnest(%s::text[], %s::text[]) AS each (title, words) "
                "WHERE NOT image_words_vector(title, '{}', '') @@ image_words_query(words, false, false) "
                "OR NOT image_words_vector(title, '{}', '') @@ image_words_query(words, true, false) "
                "OR NOT image_words_vector('', ARRAY['a', title], 'b') @@ image_words_query(words, true, false)",
                [list(column) for column in zip(*typed, strict=True)],
            )
            missed = [row for row in cursor.fetchall() if any(is_seen(character) for character in row[0])]
            assert missed == []
            for title, words in (pair for pair in quoted if len(pair) == 2):
                cursor.execute(
                    "SELECT image_words_vector(%s, '{}', '') @@ image_words_query(%s, true, true)", [title, words]
                )
                assert cursor.fetchone() == (True,), title


def is_seen(character: str) -> bool:
    """Whether a character can be searched for: not joiners, vowel points or quotation marks. A spacing accent (´) is a
    space with an accent on it."""
    categories = {unicodedata.category(part) for part in unicodedata.normalize("NFKD", character)}
    return not categories <= {"Cf", "Mn", "Me", "Zs", "Zl", "Zp", "Pi", "Pf"} and not (
        character in '"“”„«»ـ' or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("iphone 12", "iPhone-12"),
        ("iPhone-12", "My iPhone 12"),
        ("1234", "IMG_1234.jpg"),
        ("IMG_1234", "IMG_1234.jpg"),
        ("img 123", "IMG_1234.jpg"),
        ("covid", "COVID-19"),
        ("york", "New York-Paris"),
        ("car", "Three cars"),
        ("box", "Boxes"),
        ("pick-car", "Pick cars"),
        ("castle", "Castlegate"),
        ("3,5 mm", "3.5 mm"),
        ("obrien o'brien", "O’Brien obrien"),
        ("عربي", "عَرَبِيّ"),
        ("عَرَبِيّ", "عربي"),
        ("احمد", "أَحْمَد"),
        ("שלום", "שָׁלוֹם"),
        ("שָׁלוֹם", "שלום"),
        ("هٰذا", "هذا"),
        ("میخواهم", "می‌خواهم"),
        ("straSSE", "Straße"),
        ("STRASSE", "straße"),
        ("istanbul", "İSTANBUL"),
        ("ISPARTA", "ısparta"),
        ("σοφοσ", "ΣΟΦΟΣ"),
        ("МОСКВА", "Москва"),
        ("full width 12", "ＦＵＬＬ　ｗｉｄｔｈ １２"),
        ("fine", "ﬁne"),
        ("cooperate", "co\u00adoperate"),
        ("❤", "❤️ you"),
        ("👍", "👍🏽"),
        ("👧", "👨‍👩‍👧"),
        ("故宫", "北京的故宫"),
        ("タワー", "東京タワー・夜景"),
        ("ทะเล", "ภาพถ่ายทะเล"),
        ("lego", "Lego™"),
        ("salt & pepper", "Salt & Pepper"),
        ("salt pepper", "Salt & Pepper"),
        ("고양이", "고양이가 잔다"),
        ("해수욕장", "해운대해수욕장"),
        ("장", "해운대해수욕장"),
        ("수욕", "해운대해수욕장 2023"),
        ("해수욕장 여름", "여름휴가 해운대해수욕장"),
        ("2023", "서울2023여름"),
        ("여름", "서울2023여름"),
        ("팝", "K팝콘서트"),
        ("해수욕장-여름", "해운대해수욕장, 여름밤"),
        ("한국전자통신연구원정보통신기술연구소", "구한국전자통신연구원정보통신기술연구소장"),
        ("夕焼け", "美しい夕焼け"),
        ("け", "美しい夕焼け"),
        ("故宫", "北京故宫博物院"),
        ("博", "北京故宫博物院"),
        ("バス", "ﾊﾞｽﾃｨｰﾕ"),
        ("cafe", "Café"),
        ("CAFÉ", "cafe"),
        ("cafe\u0301s", "Cafes"),
        ("tokyo", "ＴＯＫＹＯ"),
        ("ＴＯＫＹＯ", "tokyo"),
        ("Strasse", "Straße"),
        ("STRASSENBAHN", "straßenbahn"),
        ("lodz", "Łódź"),
        ("smorrebrod", "Smørrebrød"),
        ("Ærø", "aero"),
        ("pho ha noi", "Phở Hà Nội"),
        ("da nang", "Đà Nẵng"),
        ("αθηνα", "Αθήνα"),
        ("ёлка", "елка"),
        ("елка", "Ёлка"),
        ("замок", "за\u0301мок"),
    ],
)
def test_words_match_titles_that_people_expect(words: str, title: str) -> None:
    an_image(title)

    assert found_by_words(words) == [normalised_text(title)]


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("2024-05-01", "2024-01-05"),
        ("AC/DC", "DC and AC"),
        ("covid-19", "covid, seen by 19 people"),
        ("故宫", "宫里的故事"),
        ("an", "another"),
        ("🐶", "🐱"),
        ("!!!", "?"),
        ('"blue sea"', "sea, blue"),
        ("car", "scar"),
        ("car", "card"),
        ("car", "cares"),
        ("pick-car", "pick card"),
        ("tv", "tvs"),
        ("e", "été"),
        ("가방", "누군가 방에"),
        ("장해", "해운대해수욕장"),
        ("해운장", "해운대해수욕장"),
        ('"해수욕장 여름"', "해운대해수욕장 한여름"),
        ("ハス", "バス"),
        ("мои", "мой"),
        ("한국전자통신연구원정보통신기술연구소", "한국전자통신연구원정보통신기술과학연구소"),
    ],
)
def test_joined_words_do_not_match_separate_ones(words: str, title: str) -> None:
    an_image(title)

    assert found_by_words(words) == []


def test_a_phrase_does_not_span_fields_or_tags() -> None:
    an_image("old", tags=["castle", "hill", "top"], description="view")

    for phrase in ("old castle", "castle hill", "top view", "view old"):
        assert find(asked(f'"{phrase}"')).found == 0
    assert found_by_words("old castle-hill view") == []
    assert found_by_words("old castle hill view") == ["old"]


def test_every_change_of_a_row_updates_its_words() -> None:
    one, other = many_images(2)
    Image.objects.filter(pk=one.pk).update(title="a harbour", tags=["boats"])
    other.description = "harbours"
    other.save()

    assert {image.pk for image in find(asked("harbour", mode=Mode.WORDS)).images} == {one.pk, other.pk}
    Image.objects.filter(pk=one.pk).update(tags=[])
    assert found_by_words("boats") == []
    Image.objects.filter(pk=one.pk).delete()
    assert [words.image_id for words in ImageWords.objects.all()] == [other.pk]


def test_existing_rows_are_found_after_the_upgrade_and_the_upgrade_can_be_reversed() -> None:
    image = an_image("COVID-19")
    loader = MigrationLoader(connection)
    names = "0010_full_text", "0023_cheap_edits", "0024_cheaper_words", "0028_words_inside_words"
    migration, *later, inside = (loader.get_migration("search", name) for name in names)
    before = loader.project_state(("search", "0009_text_in_nfc"))
    words = [*(each.operations[0] for each in later), *inside.operations]
    with connection.schema_editor() as editor:
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for each in reversed(words):
            each.database_backwards("search", editor, before, before)
        editor.execute("UPDATE search_image SET title = 'AC/DC'")  # rows are updated in between too
        assert found_by_words("AC/DC") == ["AC/DC"]
        migration.unapply(before.clone(), editor)
        assert "search_imagewords" not in connection.introspection.table_names()
        editor.execute("UPDATE search_image SET title = 'AC/DC and others'")
        migration.apply(before.clone(), editor)
        for each in words:
            each.database_forwards("search", editor, before, before)

    assert found_by_words("AC/DC") == ["AC/DC and others"]
    Image.objects.filter(pk=image.pk).update(title="U.S. flag")
    assert found_by_words("U.S. flag") == ["U.S. flag"]


def test_existing_rows_are_found_by_parts_of_words_and_without_accents(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stopped run is continued by the next, and reversing the migration restores the former words."""
    for number in range(4):
        an_image(f"Café {number}", tags=["해운대해수욕장"], description="e\u0301té")
    an_image("plain")
    inside = MigrationLoader(connection).get_migration("search", "0028_words_inside_words")
    module = sys.modules[type(inside).__module__]
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "TOLD_FROM", 4)
    made, written = inside.operations
    state = MigrationLoader(connection).project_state()
    with connection.schema_editor() as editor:
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for each in (written, made):
            each.database_backwards("search", editor, state, state)
        assert len(found_by_words("café 해운대")) == 4
        assert found_by_words("cafe") == found_by_words("해수욕장") == []

        made.database_forwards("search", editor, state, state)
        first = ImageWords.objects.order_by("pk").exclude(title="plain")[0].pk
        module._rewritten(connection, [first], module.LOCKED)
        assert len(found_by_words("cafe")) == 1
        for each in (made, written):
            each.database_forwards("search", editor, state, state)

    assert "The words of 4 pictures are written anew" in capsys.readouterr().err
    assert len(found_by_words("cafe 해수욕장 ete")) == 4
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM search_image AS image JOIN search_imagewords AS words ON image_id = id "
            "WHERE words.vector = image_words_vector(image.title, tags, description)"
        )
        assert cursor.fetchone() == (5,)


def test_editing_any_field_updates_its_words() -> None:
    """Words of other fields are kept, and no phrase spans two fields."""
    image = an_image("Boats", tags=["old harbour", "sea"], description="A quiet evening. It's 5 o'clock.")
    images = Image.objects.filter(pk=image.pk)
    images.update(tags=["new pier", "it's", r"back\slash"])
    assert found_by_words('"old harbour"') == []
    for words in ('"new pier"', "boats pier evening", "it's", '"quiet evening"', "slash", "o'clock"):
        assert found_by_words(words) == ["Boats"]

    images.update(title="Ships")
    assert found_by_words("boats") == []
    assert found_by_words("ships pier evening") == ["Ships"]
    images.update(description="Dawn", tags=[])
    assert found_by_words("evening") == found_by_words("pier") == []
    assert found_by_words("ships dawn") == ["Ships"]
    images.update(tags=["dawn ships"], title="Ships at")
    for reaching in ('"ships at dawn"', '"dawn ships at"', '"dawn dawn"'):
        assert found_by_words(reaching) == []

    with connection.cursor() as cursor:  # as if written for the first time
        cursor.execute(
            "SELECT words.vector = image_words_vector(image.title, tags, description), words.title "
            "FROM search_image AS image JOIN search_imagewords AS words ON image_id = id"
        )
        assert cursor.fetchall() == [(True, "ships at")]


def test_an_edit_of_many_pictures_writes_the_words_that_single_edits_write() -> None:
    tags = [["old harbour", "it's"], [r"back\slash"], ["바다"], []]
    images = [an_image(f"Boat {number} 해운대", tags=tags[number % 4], description="Dawn") for number in range(24)]
    ids = [image.pk for image in images]
    ImageWords.objects.filter(pk=ids[0]).delete()  # as after a partial restore

    tagged = change(ids, Tag(["AC/DC", "해수욕장"]))
    assert (tagged.count, words_as_written_anew()) == (24, 24)
    change(ids, Describe({"title": "A pier in Busan"}))
    assert (words_as_written_anew(), len(found_by_words('"pier in busan"'))) == (24, 24)
    undo(tagged)
    assert (words_as_written_anew(), found_by_words("AC/DC")) == (24, [])
    Image.objects.filter(pk=ids[1]).update(tags=["alone"])
    assert (words_as_written_anew(), found_by_words("alone")) == (24, ["A pier in Busan"])


def words_as_written_anew() -> int:
    """Return the number of images whose words are the same as if they were written for the first time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM search_image AS image JOIN search_imagewords AS words ON image_id = id "
            "WHERE words.vector = image_words_vector(image.title, tags, description) "
            "AND words.title = image_words_key(image.title)"
        )
        (count,) = cursor.fetchone()
    return int(count)


@pytest.mark.parametrize("description", ["", "A quiet evening."])
def test_repeated_edits_leave_the_same_words_as_one(description: str) -> None:
    image = an_image("Boats", tags=["old harbour"], description=description)
    images = Image.objects.filter(pk=image.pk)
    for title, tags in (
        ("Ships", ["old harbour"]),
        ("Ships", ["저녁 하늘", "it's"]),
        ("큰 배", []),
        ("", ["sea", "sea view"]),
        ("C++ & Rust", ["sea", "sea view"]),
        ("!!!", ["!?", "C#"]),
        ("'", ["\\"]),
    ):
        images.update(title=title, tags=tags)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT words.vector, image_words_vector(image.title, tags, description), "
                "words.title, image_words_key(image.title) "
                "FROM search_image AS image JOIN search_imagewords AS words ON image_id = id"
            )
            [(vector, anew, key, key_anew)] = cursor.fetchall()
        assert (vector, key) == (anew, key_anew)


PLAIN = ["", "boats", "Old HARBOUR 3", "저녁 하늘", "Seoul 서울 2026", "7", "가"]
ODD = [
    " boats",
    "old  harbour",
    "old\tharbour",
    "a" * 251,
    "b c" * 100,
    "e\u0301",
    "Ärger",
    "宫殿",
    "İ",
    "ᄀ",
    "it's",
    "?!",
]


@pytest.mark.parametrize("written", [*PLAIN, *ODD])
def test_the_fast_path_for_plain_text_gives_the_same_words(written: str) -> None:
    with connection.cursor() as cursor:
        for signs in (True, False):
            cursor.execute("SELECT image_words_split(%s, %s), image_words_split_any(%s, %s)", [written, signs] * 2)
            [(words, thoroughly)] = cursor.fetchall()
            assert words == thoroughly


@pytest.mark.parametrize(
    ("parts", "placed"),
    [
        ([], ""),
        ([""], ""),
        (["old harbour"], "'harbour':3B 'old':2B"),
        (["old harbour", "Sea", "old"], "'harbour':3B 'old':2B,7B 'sea':5B"),
        (["old harbour", "", "sea"], "'harbour':3B 'old':2B 'sea':5B"),
        (["", "sea"], "'sea':2B"),
        (["sea "], "'sea':2B"),
        (["sea ", " sky"], "'sea':2B 'sky':4B"),
        (["old  harbour", "sea"], "'harbour':3B 'old':2B 'sea':5B"),
        (["저녁 하늘", "배"], "'배':5B '저녁':2B '~녁':2B '하늘':3B '~늘':3B"),
        (["KTX역tv", "東京역 앞"], "'ktx역tv':2B '~역tv':2B '~tv':2B '東':4B '京':5B '역':6B '앞':7B"),
        (["!?", "it's", "sea"], "'!?':2B 'it':4B 's':5B 'sea':7B"),
    ],
)
def test_parts_are_separated_by_one_free_position(parts: list[str], placed: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT image_words_parts(%s::text[], 'B') = %s::tsvector", [parts, placed])
        assert cursor.fetchone() == (True,), parts


def test_quoted_words_match_inside_longer_ones_at_their_ends() -> None:
    an_image("해운대해수욕장 여름밤")

    for quoted in ("해수욕장", "수욕", "해수욕장 여름", "해운대해수욕장 여름밤"):
        assert find(asked(f'"{quoted}"')).found == 1, quoted
    for quoted in ("해수욕 여름", "해수욕장 밤", "여름 해수욕장"):
        assert find(asked(f'"{quoted}"')).found == 0, quoted


def test_whole_korean_words_come_before_parts_of_longer_ones() -> None:
    for title in ("은행나무", "은행", "국립은행", "우리 은행"):
        an_image(title, seed=7)

    found = find(asked("은행", mode=Mode.WORDS)).images
    assert [image.title for image in found[:2]] == ["은행", "우리 은행"]
    assert {image.title for image in found[2:]} == {"은행나무", "국립은행"}
    assert [image.band for image in found] == [Band.STRONG, Band.STRONG, Band.RELATED, Band.RELATED]


def test_a_description_without_a_space_is_indexed_at_any_length() -> None:
    an_image("long", description="".join(chr(0xAC00 + number) for number in range(5000)))

    assert found_by_words(chr(0xAC00 + 20)) == found_by_words("long") == ["long"]


def test_letters_are_folded_for_highlighting_as_in_the_database() -> None:
    characters = [chr(code) for code in range(1, 0x3100) if unicodedata.category(chr(code)) != "Cn"]
    texts = [
        *characters,
        *TITLES,
        "Ｃａｆé ＴＯＫＹＯ",
        "за\u0301мок Ёлка й",
        "ΣΟΦΟΣ",
        "İı",
        "한글 ﾊﾞｽ",
        "e\u0301\u0327",
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(image_words_fold(t) ORDER BY n) FROM unnest(%s::text[]) WITH ORDINALITY AS u (t, n)",
            [texts],
        )
        [(folded,)] = cursor.fetchall()
    different = {text: (one, fold(text)) for text, one in zip(texts, folded, strict=True) if one != fold(text)}
    assert different == {}


@pytest.mark.parametrize(
    ("words", "title", "marked"),
    [
        ("cafe", "Das Café am Eck", "Das <Café> am Eck"),
        ("cafe", "Cafe\u0301s", "<Café>s"),
        ("strasse", "Große Straße", "Große <Straße>"),
        ("tokyo", "ＴＯＫＹＯ 2020", "<ＴＯＫＹＯ> 2020"),
        ("해수욕장", "해운대해수욕장", "해운대<해수욕장>"),
        ("故宫", "北京故宫博物院", "北京<故宫>博物院"),
        ("car box", "scar car cars card boxes", "scar <car> <car>s card <box>es"),
        ("castle", "castles", "<castle>s"),
        ("no", "no note", "<no> note"),
        ("iphone-12 pro", "My iPhone 12 Pro", "My <iPhone> <12> <Pro>"),
        ('"red sea" -blue', "The red sea", "The <red> <sea>"),
        ("b & script", "a <b> </script>", "a <<b>> </<script>>"),
        ("!!! 🐶", "!!! 🐶", "!!! 🐶"),
    ],
)
def test_matched_words_of_a_title_are_highlighted(words: str, title: str, marked: str) -> None:
    title = normalised_text(title)
    found, end = "", 0
    for start, stop in marks(title, asked(words)):
        found += f"{title[end:start]}<{title[start:stop]}>"
        end = stop
    assert found + title[end:] == marked
    assert marks(title, asked(words, mode=Mode.MEANING)) == []


def test_results_have_highlighted_words_and_escaped_titles(client: Client) -> None:
    an_image("Café <b>Ada</b> & Co")
    an_image("", tags=["cafe"])

    page = client.get("/search", {"q": "cafe ada", "mode": "words"}).text
    assert "<mark>Café</mark> &lt;b&gt;<mark>Ada</mark>&lt;/b&gt; &amp; Co</h3>" in page
    assert (
        client.get("/search", {"q": "cafe", "mode": "words"}).text.count("<mark>") == 2
    )  # and the explanation of the result


# --- Order ---


def harbours(count: int = 60) -> list[str]:
    """Make rows that contain a word; each is further from the query and ranked lower by the word. Return the titles,
    best first.

    The first has the word as its title and is the furthest by vector; then come rows with the word in the title, the
    tags and the description; the last only have a longer word that begins with it."""
    images = many_images(count)
    for number, image in enumerate(images):
        image.embedding = near(ASKED, -0.5 if number == 0 else 0.3 - number / 1000, seed=number + 100)
        image.title, image.tags, image.description = f"{number}", [], ""
        if number == 0:
            image.title = "Harbour"
        elif number < 20:
            image.title = f"{number} harbour"
        elif number < 40:
            image.tags = ["harbour"]
        elif number < 50:
            image.description = "harbour"
        else:
            image.title = f"{number} harbourmaster"
    Image.objects.bulk_update(images, ["embedding", "title", "tags", "description"])
    Image.objects.update(created=timezone.now() - dt.timedelta(days=1))
    return [image.title for image in images]


def test_a_word_search_is_ordered_by_its_rank_over_all_pages(few_candidates: None) -> None:
    names = harbours()
    found = [image.title for image in all_of(asked("harbour", mode=Mode.WORDS))]

    assert found[0] == "Harbour"
    assert [set(found[start:stop]) for start, stop in ((1, 20), (20, 40), (40, 50), (50, 60))] == [
        set(names[start:stop]) for start, stop in ((1, 20), (20, 40), (40, 50), (50, 60))
    ]
    assert found == [image.title for image in all_of(asked("harbour", mode=Mode.WORDS))]


@pytest.mark.usefixtures("calibrated", "few_candidates")
@pytest.mark.parametrize("minimum", Minimum)
@pytest.mark.parametrize("mode", [Mode.BOTH, Mode.WORDS])
def test_a_list_of_results_is_in_the_order_of_the_pages(minimum: Minimum, mode: Mode) -> None:
    harbours()
    many_images(30, seed=8)
    query = asked("harbour", mode=mode, minimum=minimum)
    pages = [(image.id, image.band, image.by_words) for image in all_of(query)]

    for most in (20, 70):
        listing = best_of(query, most)
        assert [(image.id, image.band, image.by_words) for image in listing.images] == pages[:most]
        assert listing.found == len(pages)


@pytest.mark.usefixtures("calibrated")
@pytest.mark.parametrize("by_words", [4, 200], ids=["more hold the word", "candidates"])
def test_a_title_equal_to_the_query_comes_first_by_default_too(by_words: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates_module, "MOST_BY_WORDS", by_words)
    harbours()
    many_images(100, seed=8)

    found = all_of(asked("harbour"))

    assert found[0].title == "Harbour"
    assert len({image.id for image in found}) == len(found) == 160
    assert [image.by_words for image in found] == [True] * 60 + [False] * 100
    assert [image.band for image in found] == [Band.STRONG] * 50 + [Band.RELATED] * 10 + [Band.WEAK] * 100


def test_of_titles_with_the_same_words_the_exact_one_comes_first() -> None:
    for title in ("C", "C#", "C++", "C (programming)"):
        an_image(title)

    assert find(asked("c++", mode=Mode.WORDS)).images[0].title == "C++"
    assert {image.title for image in find(asked("c", mode=Mode.WORDS)).images[:3]} == {"C", "C#", "C++"}
    assert find(asked("c", mode=Mode.WORDS)).images[0].title == "C"


def test_a_title_with_a_minus_comes_first_when_it_is_typed_exactly() -> None:
    for title in ("sale", "sale -50 %", "sale -60 %"):
        an_image(title, seed=7)  # at random, one could be similar to what is unwanted

    assert find(asked("sale -50 %", mode=Mode.WORDS)).images[0].title == "sale -50 %"
    assert find(asked("sale -winter", mode=Mode.WORDS)).images[0].title == "sale"


def test_equal_ranks_have_one_order_on_all_pages(few_candidates: None) -> None:
    many_images(100)
    Image.objects.update(title="same", created="2026-01-01 00:00Z")

    for mode in (Mode.WORDS, Mode.BOTH):
        ids = [image.id for image in all_of(asked("same", mode=mode))]
        assert len(set(ids)) == len(ids) == 100


# --- More matches than candidates ---


@pytest.mark.usefixtures("calibrated")
def test_a_minimum_keeps_all_rows_that_contain_the_words() -> None:
    castles = many_images(399)
    for number, image in enumerate(castles):
        image.embedding = near(ASKED, 0.3 - number / 2000, seed=number + 100)
    Image.objects.bulk_update(castles, ["embedding"])
    Image.objects.update(title="old castle")
    many_images(60, seed=6)

    for minimum in (Minimum.STRONG, Minimum.RELATED):
        for query in ("old castle", '"old castle"'):
            found = all_of(asked(query, minimum=minimum))
            assert len({image.id for image in found}) == len(found) == 399
            assert {(image.by_words, image.band) for image in found} == {(True, Band.STRONG)}
    by_default = all_of(asked("old castle"))
    assert [image.by_words for image in by_default] == [True] * 399 + [False] * 60


@pytest.mark.usefixtures("calibrated", "few_candidates")
@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("mode", [Mode.BOTH, Mode.WORDS])
def test_every_minimum_and_order_keeps_all_rows_that_contain_the_words(sort: Sort, mode: Mode) -> None:
    harbours()
    many_images(30, seed=8)
    query = asked("harbour", sort=sort, mode=mode)

    counts = {minimum: len({image.id for image in all_of(replace(query, minimum=minimum))}) for minimum in Minimum}

    assert counts == {Minimum.STRONG: 50, Minimum.RELATED: 60, Minimum.ANY: 60 if mode is Mode.WORDS else 90}
    assert {minimum: find(replace(query, minimum=minimum)).found for minimum in Minimum} == counts
    for image in all_of(query):
        held = "harbour" in f"{image.title} {image.tags} {image.description}".lower()
        whole = held and "master" not in image.title
        assert image.by_words == held
        assert image.band == (Band.STRONG if whole else Band.RELATED if held else Band.WEAK)


@pytest.mark.usefixtures("calibrated", "few_candidates")
@pytest.mark.parametrize("sort", [Sort.SIMILARITY, Sort.OLDEST])
def test_unwanted_pictures_beyond_the_candidates_are_excluded_too(sort: Sort) -> None:
    images = many_images(40)
    for number, image in enumerate(images):
        image.embedding = near(UNWANTED, 0.9 if number % 2 else -0.5, seed=number + 100)
    Image.objects.bulk_update(images, ["embedding"])
    Image.objects.update(description="harbour")
    query = asked("harbour -unwanted", minimum=Minimum.STRONG, sort=sort)

    assert {image.id for image in all_of(query)} == {image.id for image in images[::2]}
    assert find(query).found == 20
    for image in all_of(replace(query, minimum=Minimum.ANY)):
        assert (image.band == Band.STRONG) == (int(image.title) % 2 == 0)


@pytest.mark.usefixtures("calibrated", "few_candidates")
def test_near_unwanted_pictures_beyond_the_candidates_are_excluded_too() -> None:
    wanted = (ASKED + UNWANTED) / 2**0.5
    for number in range(12):
        an_image(f"{number}", vector=near(wanted if number % 2 else ASKED, 0.95, seed=number + 100))

    found = all_of(asked("red -unwanted", minimum=Minimum.STRONG, mode=Mode.MEANING))

    assert {int(image.title) % 2 for image in found} == {0}
    assert len(found) == 6


@pytest.mark.usefixtures("calibrated", "few_candidates")
def test_filters_the_api_and_pages_keep_all_rows_that_contain_the_words(client: Client) -> None:
    harbours()
    many_images(30, seed=8)
    Image.objects.filter(title__contains="5").update(licence="CC0")

    params = {"q": "harbour", "min": "strong", "licence": "CC0"}
    answer = client.get("/api/search", params).json()
    page = client.get("/search", params)

    assert answer["found"] == len(answer["results"]) == len(["5 harbour", "15 harbour", "25", "35", "45"])
    assert {(one["found_by_words"], one["band"]) for one in answer["results"]} == {(True, "strong")}
    assert page.text.count("<article") == answer["found"]
    with_filter = asked("harbour", minimum=Minimum.STRONG, filters=Filters(licences=("CC0",)))
    assert {uuid.UUID(one["id"]) for one in answer["results"]} == {image.id for image in all_of(with_filter)}
