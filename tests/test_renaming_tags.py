"""Renaming and merging tags: one statement for all pictures, one revision, and old names still find them."""

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from search import curation
from search.ingestion.metadata_rereading import edited_fields
from search.models import Edit, Image, Revision, TagSuggestion, VocabularyTag
from search.tagging.tag_renaming_and_merging import merge, rename
from tests.base import an_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def dog() -> VocabularyTag:
    return VocabularyTag.objects.create(name="dog", korean="개")


def tags() -> list[list[str]]:
    return sorted(Image.objects.values_list("tags", flat=True))


def test_renaming_replaces_the_name_in_place_and_keeps_the_old_one_as_an_alias(dog, carol):
    an_image(tags=["a", "dog", "z"])
    an_image(tags=["Dog"])
    an_image(tags=["dogs"])
    revision = rename(dog, "hound", by=carol)
    assert tags() == [["a", "hound", "z"], ["dogs"], ["hound"]]
    dog.refresh_from_db()
    assert (dog.name, dog.aliases) == ("hound", ["dog"])
    assert (revision.kind, revision.count, revision.by) == (Revision.Kind.RETAG, 2, carol)
    assert str(revision) == "Tags renamed: Dog, dog → hound"


def test_a_picture_with_both_names_keeps_one_of_them(dog):
    an_image(tags=["hound", "x", "dog", "Dog"])
    rename(dog, "hound")
    assert tags() == [["hound", "x"]]


def test_the_number_of_statements_does_not_depend_on_the_number_of_pictures(dog, carol):
    counts = []
    for name, count in (("hound", 1), ("canine", 100)):
        for _ in range(count):
            an_image(tags=[dog.name])
        with CaptureQueriesContext(connection) as queries:
            rename(dog, name, by=carol)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_undoing_a_rename_restores_the_tags_and_the_marks_of_edits(dog, carol):
    image = an_image(tags=["dog"])
    revision = rename(dog, "hound", by=carol)
    assert edited_fields([image.pk]) == {image.pk: {"tags"}}
    undone = curation.undo(revision, by=carol)
    assert (undone.count, tags()) == (1, [["dog"]])
    assert not edited_fields([image.pk]).get(image.pk)
    curation.undo(undone.revision, by=carol)
    assert tags() == [["hound"]]


def test_undo_keeps_later_changes(dog, carol):
    image, other = an_image(tags=["dog"]), an_image(tags=["dog"])
    revision = rename(dog, "hound", by=carol)
    curation.change([image.pk], curation.Tag(["later"]), by=carol)
    undone = curation.undo(revision, by=carol)
    assert (undone.count, [one.pictures for one in undone.kept]) == (1, [1])
    other.refresh_from_db()
    assert other.tags == ["dog"]


def test_pictures_restored_from_the_trash_get_the_current_name(dog):
    image = an_image(tags=["dog"])
    curation.change([image.pk], curation.Trash())
    rename(dog, "hound")
    curation.change([image.pk], curation.Restore())
    assert tags() == [["hound"]]


def test_the_name_of_another_tag_is_refused_and_nothing_changes(dog):
    VocabularyTag.objects.create(name="cat", aliases=["hound"])
    an_image(tags=["dog"])
    with pytest.raises(ValidationError):
        rename(dog, "Hound")
    assert tags() == [["dog"]]
    assert VocabularyTag.objects.get(pk=dog.pk).name == "dog"
    assert not Revision.objects.exists()


def test_renaming_an_unused_tag_leaves_no_revision(dog):
    assert rename(dog, "hound").pk is None
    assert not Revision.objects.exists()


def test_the_case_of_a_name_can_be_changed(dog):
    an_image(tags=["dog"])
    rename(dog, "Dog")
    dog.refresh_from_db()
    assert (tags(), dog.name, dog.aliases) == ([["Dog"]], "Dog", [])


def test_a_merged_tag_has_all_names_children_and_decisions(dog, carol):
    hound = VocabularyTag.objects.create(name="hound", aliases=["basset"])
    puppy = VocabularyTag.objects.create(name="puppy", parent=hound)
    one, two, three = an_image(tags=["hound"]), an_image(tags=["basset", "dog"]), an_image()
    TagSuggestion.objects.create(tag=hound, image=three, state="rejected", by=carol)
    TagSuggestion.objects.create(tag=hound, image=one, state="pending", similarity=0.5)
    revision = merge(hound, dog, by=carol)
    assert tags() == [[], ["dog"], ["dog"]]
    assert revision.count == 2
    assert Edit.objects.filter(image=two).get().after["tags"] == ["dog"]
    dog.refresh_from_db()
    puppy.refresh_from_db()
    assert dog.aliases == ["hound", "basset"]
    assert puppy.parent == dog
    assert not VocabularyTag.objects.filter(name="hound").exists()
    assert [(row.image, row.state) for row in dog.suggestions.all()] == [(three, "rejected")]


def test_a_parent_can_be_merged_into_its_child(dog):
    animal, pet = VocabularyTag.objects.create(name="animal"), VocabularyTag.objects.create(name="pet")
    pet.parent = animal
    pet.save()
    dog.parent = pet
    dog.save()
    merge(pet, dog)
    dog.refresh_from_db()
    assert dog.parent == animal
    merge(animal, dog)
    dog.refresh_from_db()
    assert dog.parent is None
    assert set(dog.aliases) == {"pet", "animal"}


def test_a_tag_can_not_be_merged_into_itself(dog):
    with pytest.raises(ValidationError):
        merge(dog, dog)
