"""Labelled sets, in the published formats and in tables that users write."""

import json
from pathlib import Path

import pytest

from search.ingestion.table_formats import MetadataError
from search.model_comparison.labelled import Labelled, read_labelled

Queries = dict[tuple[str, str], dict[str, int]]


def read(folder: Path, name: str, text: str | bytes, **options: str) -> Labelled:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_labelled(path, **options)


DOG: Queries = {("A dog runs .", "en"): {"1.jpg": 1}, ("Grass .", "en"): {"1.jpg": 1}, ("A cat .", "en"): {"2.jpg": 1}}

COCO = json.dumps(
    {
        "info": {"year": 2017},
        "images": [{"id": 7, "file_name": "1.jpg"}, {"id": 9, "file_name": "2.jpg"}],
        "annotations": [
            {"image_id": 7, "id": 1, "caption": "A dog runs ."},
            {"image_id": 7, "id": 2, "caption": "Grass .\n"},
            {"image_id": 9, "id": 3, "caption": "A cat ."},
        ],
    }
)
KARPATHY = json.dumps(
    {
        "dataset": "flickr30k",
        "images": [
            {"filename": "1.jpg", "split": "test", "sentences": [{"raw": "A dog runs ."}, {"raw": "Grass ."}]},
            {"filename": "2.jpg", "split": "val", "sentences": [{"raw": "A cat ."}]},
        ],
    }
)
TOKEN = "1.jpg#0\tA dog runs .\n1.jpg#1\tGrass .\n2.jpg#0\tA cat .\n"
RESULTS = "image_name| comment_number| comment\n1.jpg| 0| A dog runs .\n1.jpg| 1| Grass .\n2.jpg| 0| A cat .\n"
CAPTIONS = "image,caption\n1.jpg,A dog runs .\n1.jpg,Grass .\n2.jpg,A cat .\n"
SPLITS = (
    "raw,sentids,split,filename,img_id\n"
    '"[""A dog runs ."", ""Grass .""]","[0, 1]",test,1.jpg,0\n'
    '"[""A cat .""]","[2]",val,2.jpg,1\n'
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions_val2017.json", COCO),
        ("dataset_flickr30k.json", KARPATHY),
        ("results_20130124.token", TOKEN),
        ("Flickr8k.token.txt", TOKEN),
        ("results.csv", RESULTS),
        ("captions.txt", CAPTIONS),
        ("flickr_annotations_30k.csv", SPLITS),
    ],
)
def test_published_caption_files_are_read(tmp_path: Path, name: str, text: str):
    labelled = read(tmp_path, name, text)
    assert labelled.queries == DOG
    assert labelled.problems == []


@pytest.mark.parametrize(("name", "text"), [("splits.json", KARPATHY), ("splits.csv", SPLITS)])
def test_one_split_of_a_set_is_read_alone(tmp_path: Path, name: str, text: str):
    assert list(read(tmp_path, name, text, split="val").queries) == [("A cat .", "en")]
    with pytest.raises(MetadataError, match="has no split dev, but: test, val"):
        read(tmp_path, name, text, split="dev")


def test_a_split_of_a_set_without_splits_is_a_problem(tmp_path: Path):
    labelled = read(tmp_path, "own.csv", "query,path\na dog,1.jpg\n", split="val")
    assert list(labelled.queries) == [("a dog", "")]
    assert labelled.problems == [("own.csv", "This set has no splits: all of it is used.")]


def test_captions_in_several_languages_are_queries_in_each(tmp_path: Path):
    lines = [
        {
            "image/key": "0001",
            "image/locale": "ko",
            "en": {"caption": ["A gate", "Stairs"], "caption/tokenized": ["a gate", "stairs"]},
            "ko": {"caption": ["문"]},
            "zh": {"caption": []},
        },
        {"image/key": "0002", "image/locale": "fr", "quz": {"caption": ["Punku"]}},
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    labelled = read(tmp_path, "captions.jsonl", text)
    assert labelled.queries == {
        ("A gate", "en"): {"0001.jpg": 1},
        ("Stairs", "en"): {"0001.jpg": 1},
        ("문", "ko"): {"0001.jpg": 1},
        ("Punku", "quz"): {"0002.jpg": 1},
    }
    assert labelled.problems == [("captions.jsonl line 1", "This line has no query.")]


OWN = "query,language,path,grade\n바다,ko,1.jpg,2\n바다,KO,b/2.jpg,0\nsea,en,1.jpg,1\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.csv", OWN.encode()),
        ("own.csv", OWN.replace("path", "Path").replace(",", ";").replace("\n", "\r\n").encode("cp949")),
        ("own.tsv", OWN.replace(",", "\t").replace("path", "id").replace("\t2\n", "\t2.0\n").encode()),
        (
            "own.jsonl",
            '{"query": "바다", "language": "ko", "path": "1.jpg", "grade": 2}\n'
            '{"query": "바다", "language": "ko", "id": "b/2.jpg", "grade": 0}\n'
            '{"query": "sea", "language": "en", "path": "1.jpg"}\n'.encode(),
        ),
    ],
)
def test_a_user_table_has_grades(tmp_path: Path, name: str, text: bytes):
    labelled = read(tmp_path, name, text)
    assert labelled.queries == {("바다", "ko"): {"1.jpg": 2, "b/2.jpg": 0}, ("sea", "en"): {"1.jpg": 1}}


def test_the_given_language_applies_to_captions_without_one(tmp_path: Path):
    table = "query,path\nmar,1.jpg\n"
    assert list(read(tmp_path, "a.csv", table, language="es").queries) == [("mar", "es")]
    assert list(read(tmp_path, "a.csv", table).queries) == [("mar", "")]
    assert list(read(tmp_path, "a.token", "1.jpg#0\tHund\n", language="de").queries) == [("Hund", "de")]


def test_queries_are_normalised_as_in_searches(tmp_path: Path):
    text = "query,language,path\n  제주도   바다,ko,가.jpg\n제주도 바다,ko,b.jpg\n"
    labelled = read(tmp_path, "a.csv", text)
    assert labelled.queries == {("제주도 바다", "ko"): {"가.jpg": 1, "b.jpg": 1}}


# Errors


def test_invalid_lines_are_reported_by_number_and_the_others_are_read(tmp_path: Path):
    table = (
        "query,language,path,grade\nsea,en,1.jpg,2\n,en,1.jpg,1\nsea,en,,1\nsea,en,2.jpg,\nsea,en,2.jpg,good\n"
        "sea,en,2.jpg,-1\nsea,en,2.jpg,1.5\nsea,en,1.jpg,0\n" + "x" * 1_001 + ",en,1.jpg,1\n"
    )
    labelled = read(tmp_path, "a.csv", table)
    assert labelled.queries == {("sea", "en"): {"1.jpg": 0}}
    assert [where for where, _ in labelled.problems] == [f"a.csv line {number}" for number in range(3, 11)]
    message = " ".join(reason for _, reason in labelled.problems)
    for part in ("no query", "no picture", "no grade", "'good'", "'-1'", "'1.5'", "the grade 2", "1,001 characters"):
        assert part in message, part


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        # As in the published file: two lines lack their second separator.
        ("results.csv", RESULTS + "2199200615.jpg| 4   A dog runs\n", "results.csv line 5"),
        ("a.token", TOKEN + "no caption\n", "a.token line 4"),
        ("a.jsonl", '{"query": "a", "path": "1.jpg"}\n{"query": \n', "a.jsonl line 2"),
        ("a.jsonl", '{"query": "a", "path": "1.jpg"}\n["b"]\n', "a.jsonl line 2"),
        ("a.jsonl", '{"query": "a", "path": "1.jpg"}\n{"text": "b"}\n', "a.jsonl line 2"),
        ("a.json", COCO.replace('"image_id": 9', '"image_id": 3'), "a.json annotations[2]"),
        ("a.json", COCO.replace('"image_id": 9', '"image_id": {}'), "a.json annotations[2]"),
        ("a.json", COCO.replace('"A cat ."', "null"), "a.json annotations[2]"),
        ("a.json", COCO.replace('"file_name": "2.jpg"', '"name": "2.jpg"'), "a.json annotations[2]"),
        ("a.json", KARPATHY.replace('"sentences": [{"raw": "A cat ."}]', '"x": 1'), "a.json images[1]"),
        ("a.csv", "query,path\na,1.jpg,\na red, old car,1.jpg\n", "a.csv line 3"),
        ("captions.txt", "image,caption\n1.jpg,A man\n2.jpg,A man, tall\n", "captions.txt line 3"),
        ("a.csv", SPLITS.replace('"[""A cat .""]"', "[A cat"), "a.csv line 3"),
    ],
)
def test_one_broken_entry_is_reported_and_the_others_are_read(tmp_path: Path, name: str, text: str, where: str):
    labelled = read(tmp_path, name, text)
    assert labelled.queries
    assert [place for place, _ in labelled.problems] == [where]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "title,path\na,1.jpg\n", "`query`"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"images": []}', "no captions"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", "[1, 2]", "no captions"),
        ("captions.zip", "PK", "a labelled set is a .csv"),
        ("a.json", b"\xff\xfe\x00", "is not JSON"),
    ],
)
def test_other_files_are_refused_with_a_message(tmp_path: Path, name: str, text: str | bytes, message: str):
    with pytest.raises(MetadataError, match=message):
        read(tmp_path, name, text)


def test_a_missing_file_is_reported(tmp_path: Path):
    for name in ("none.csv", "none.json", "none.token"):
        with pytest.raises(MetadataError, match=f"{name} can't be read"):
            read_labelled(tmp_path / name)
