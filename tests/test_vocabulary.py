"""The vocabulary: the built-in tags, import and export of tables, and the vectors of phrases."""

from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from search.embedding import text_encoder
from search.models import Image, TagVector, VocabularyTag
from search.models.vector_values import WrongVectors
from search.tagging import vocabulary
from search.tagging.vocabulary_tables import read_vocabulary, starting_rows, write_vocabulary
from tests.base import an_image

pytestmark = pytest.mark.django_db


def read(text: str, name: str = "tags.csv"):
    return read_vocabulary(lambda: BytesIO(text.encode()), name)


def test_built_in_tags_have_unique_names_and_all_fields():
    rows = starting_rows()
    names = [name.casefold() for row in rows for name in {row["english"], row["korean"], *row["aliases"]}]
    assert len(rows) >= 400
    assert len(names) == len(set(names))
    assert all(row["english"] and row["korean"] and row["phrase"] for row in rows)
    english = [row["english"] for row in rows]
    assert all(row["parent"] in english[:number] for number, row in enumerate(rows) if row["parent"])


def test_existing_tags_of_pictures_keep_their_spelling_and_no_picture_changes():
    an_image(tags=["바다", "Dog", "own"])
    an_image(tags=["바다"])
    assert vocabulary.load_starting() == len(starting_rows())
    sea = VocabularyTag.objects.get(english="sea")
    assert (sea.name, sea.korean, sea.parent.name) == ("바다", "바다", "water")
    assert VocabularyTag.objects.get(english="dog").name == "Dog"
    assert sorted(Image.objects.values_list("tags", flat=True)) == [["바다"], ["바다", "Dog", "own"]]
    assert vocabulary.load_starting() == 0, "twice adds nothing"


def test_a_korean_site_starts_with_korean_tags(settings):
    settings.LANGUAGE_CODE = "ko"
    vocabulary.load_if_empty()
    dog = VocabularyTag.objects.get(english="dog")
    assert (dog.name, dog.parent.name) == ("개", "동물")
    assert vocabulary.load_if_empty() == 0


def test_existing_vocabulary_tags_keep_their_names_and_phrases():
    VocabularyTag.objects.create(name="강아지", phrase="our dog Bello")
    vocabulary.load_starting()
    assert VocabularyTag.objects.get(name="강아지").phrase == "our dog Bello"
    assert "강아지" not in VocabularyTag.objects.get(english="dog").aliases


def test_importing_an_export_changes_nothing():
    vocabulary.load_starting()
    VocabularyTag.objects.create(name="=SUM(A1)", aliases=["-x", "y"])
    file = StringIO()
    write_vocabulary(file)
    assert "\n=SUM" not in file.getvalue(), "a spreadsheet would run it"
    again = read(file.getvalue())
    assert (again.added, again.changed, again.problems) == (0, 0, [])
    VocabularyTag.objects.all().delete()
    anew = read(file.getvalue())
    assert (anew.added, anew.problems) == (len(starting_rows()) + 1, [])
    assert VocabularyTag.objects.get(name="=SUM(A1)").aliases == ["-x", "y"]
    assert VocabularyTag.objects.get(name="puppy").parent.name == "dog"


def test_a_row_may_use_any_name_of_a_tag_and_keeps_fields_without_a_column():
    VocabularyTag.objects.create(name="sea", korean="바다", phrase="the sea", aliases=["ocean"])
    report = read("korean\tphrase\n바다\tthe blue sea\n", "tags.tsv")
    assert (report.added, report.changed) == (0, 1)
    sea = VocabularyTag.objects.get()
    assert (sea.name, sea.phrase, sea.aliases) == ("sea", "the blue sea", ["ocean"])


def test_invalid_rows_are_reported_and_the_others_imported():
    report = read(
        "name,aliases,parent\n"
        "animal,,\n"
        "dog,hound,animal\n"
        "cat,Hound,animal\n"  # an alias of another tag
        ",x,\n"
        "cow,,cattle\n"  # a parent that does not exist
        '"a, b",,\n'
        f"{'x' * 61},,\n"
    )
    assert [where.rsplit(maxsplit=1)[1] for where, _why in report.problems] == ["4", "5", "7", "8", "6"]
    assert set(VocabularyTag.objects.values_list("name", flat=True)) == {"animal", "dog", "cow"}
    assert VocabularyTag.objects.get(name="dog").parent.name == "animal"


def test_an_import_makes_no_circular_hierarchy():
    report = read("name,parent\na,b\nb,c\nc,a\nd,d\n")
    assert len(report.problems) == 2
    for tag in VocabularyTag.objects.all():
        assert tag not in list(tag.wider())


def test_names_must_be_unique_and_the_hierarchy_without_circles():
    animal = VocabularyTag.objects.create(name="animal")
    dog = VocabularyTag.objects.create(name="dog", korean="개", parent=animal)
    with pytest.raises(ValidationError, match="already"):
        VocabularyTag(name="hound", aliases=["x", "개"]).full_clean()
    animal.parent = dog
    with pytest.raises(ValidationError, match="its own parent"):
        animal.full_clean()
    with pytest.raises(ValidationError, match="comma"):
        VocabularyTag(name="a, b").full_clean()


def test_vectors_of_phrases_are_computed_once_and_again_for_a_changed_phrase(monkeypatch):
    star = VocabularyTag.objects.create(name="star", korean="별", phrase="a red star")
    VocabularyTag.objects.create(name="own")
    VocabularyTag.objects.create(name="fish", phrase="a fish")
    found = vocabulary.vectors()
    assert (found.english, found.korean) == (["star", "fish"], ["별", "fish"])
    assert found.vectors.dtype == np.float32
    expected = text_encoder().encode_texts(["a red star", "a fish"])
    assert np.einsum("ij,ij->i", found.vectors, expected) == pytest.approx([1, 1], abs=1e-3)

    TagVector.objects.update(compared=7, threshold=0.5)
    VocabularyTag.objects.filter(pk=star.pk).update(phrase="a blue star")
    assert vocabulary.encode_missing() == 1
    assert list(TagVector.objects.order_by("tag_id").values_list("compared", "threshold")) == [(0, None), (7, 0.5)]
    monkeypatch.setattr(vocabulary, "text_encoder", None)  # no encoder is used
    assert vocabulary.vectors().vectors.shape == (2, 512)


def test_without_tags_there_are_no_vectors():
    assert vocabulary.vectors().vectors.shape[0] == 0


def test_the_command_prints_a_summary(tmp_path: Path, capsys):
    call_command("vocabulary", "--start")
    call_command("vocabulary", "--export", str(tmp_path / "all.csv"))
    call_command("vocabulary", "--import", str(tmp_path / "all.csv"))
    call_command("vocabulary")
    count = len(starting_rows())
    assert capsys.readouterr().out.splitlines() == [
        f"{count} tags added.",
        f"{count} tags written to {tmp_path / 'all.csv'}.",
        "0 tags added, 0 changed, 0 problems.",
        f"{count} tags, of which {count} have a phrase and can be suggested.",
    ]
    with pytest.raises(CommandError, match="can't be read"):
        call_command("vocabulary", "--import", str(tmp_path / "none.csv"))


def test_a_phrase_without_a_vector_does_not_block_other_tags(monkeypatch):
    encoder = text_encoder()

    class Picky:
        def encode_texts(self, texts):
            if "nothing" in texts:
                raise WrongVectors("The model gave a zero vector.")
            return encoder.encode_texts(texts)

    monkeypatch.setattr(vocabulary, "text_encoder", Picky)
    for name in ("star", "nothing", "fish"):
        VocabularyTag.objects.create(name=name, phrase=name)
    assert vocabulary.vectors().english == ["star", "fish"]
    VocabularyTag.objects.exclude(name="nothing").delete()
    assert vocabulary.vectors().english == []
