"""Another pair of models is prepared besides the active one, activated, and removed again, without downtime."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.http import HttpRequest
from django.test import Client

from search import embedding, switching
from search.curation.cleaned_details import Details
from search.embedding import Pair, active_model, active_pair, loading
from search.indexing.index_building import State as Index
from search.indexing.index_building import index_state
from search.ingestion import Pending, Worker, pending_vector_worker
from search.ingestion.adding import add_picture
from search.models import Calibration, Image, ImageVector, ModelSwitch, QueryPicture, QueryVector, VectorSet
from search.models import active_pair as chosen
from search.models.accepted_models import accepted_names
from search.models.vector_sets import current_set, drop_set, forget_sets, table_of
from search.models.vector_values import Vectors, unit_vectors
from search.objects import storage
from search.query import Kind, Mode, Part, SearchQuery
from search.query.query_pictures import picture_vector, remember_picture
from search.retrieval import find
from search.retrieval.results import ResultPage
from search.state import model_figures
from search.switching import forgetting, preparing, vector_copying
from search.web.middleware import OneChoice
from tests.base import in_another_thread, picture_bytes, stored_image

pytestmark = pytest.mark.django_db(transaction=True)

NEW, NEW_WORDS, THIRD = "somebody/new-model", "somebody/new-words", "somebody/third-model"
DIMENSIONS = 24
COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


class Colours:
    """Replaces a model that would take seconds to load: it encodes the colour in the middle, and knows the names of
    colours."""

    backend, window, dimensions = "colours", None, DIMENSIONS

    def encode_pictures(self, pictures: Sequence[Any]) -> Vectors:
        return self._vectors([picture.getpixel((picture.width // 2, picture.height // 2)) for picture in pictures])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._vectors([COLOURS.get(text, (9, 9, 9)) for text in texts])

    def _vectors(self, colours: Sequence[Any]) -> Vectors:
        raw = np.zeros((len(colours), DIMENSIONS), dtype=np.float32)
        raw[:, :3] = colours
        raw[:, 3] = 20
        return unit_vectors(raw, count=len(raw), dimensions=DIMENSIONS)


@contextmanager
def colours_for(monkeypatch: pytest.MonkeyPatch, *models: tuple[str, str]) -> Iterator[None]:
    """Have these models, each a kind and a name, encode colours, load at once, and remove them afterwards."""
    monkeypatch.setattr(chosen, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(preparing, "_have_compiled", lambda pair: None)
    for module in (vector_copying, forgetting):
        monkeypatch.setattr(module, "NOTICED", 0.0)
    chosen.forget_choice(look=True)
    own = active_model()
    for kind, name in models:
        loading.once_of(kind, name).set(Colours())
    yield
    for one in VectorSet.objects.exclude(model=own):
        drop_set(table_of(one))
    VectorSet.objects.filter(model=own).update(is_kept=False)
    for _kind, name in models:
        embedding.forget(name)
    forget_sets()
    chosen.forget_choice(look=False)


@pytest.fixture(autouse=True)
def _two_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    new = [(kind, name) for kind in ("pictures", "words") for name in (NEW, THIRD)]
    with colours_for(monkeypatch, *new, ("words", NEW_WORDS)):
        yield


def switch_model(*arguments: str) -> str:
    out = StringIO()
    call_command("switch_model", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def in_set(model: str) -> set[str]:
    found = ImageVector.objects.filter(set__model=model, window_index=0)
    return set(found.values_list("image__title", flat=True))


def found_by(words: str) -> list[str]:
    return [image.title for image in searched(words).images]


def searched(words: str) -> ResultPage:
    """By meaning only, since the titles contain the words too."""
    return find(SearchQuery(words, mode=Mode.MEANING))


def upload(colour: str) -> Image:
    return add_picture(picture_bytes(colour, size=(640, 480)), Details(title=colour), None).image


@pytest.fixture
def pictures() -> list[Image]:
    return [stored_image(colour, title=colour) for colour in ("red", "lime", "blue")]


def test_a_prepared_model_changes_no_search_until_it_is_activated(pictures: list[Image]) -> None:
    own, before = active_model(), found_by("red")
    output = switch_model(NEW)
    assert "Prepared" in output
    assert in_set(NEW) == in_set(own) == {"red", "lime", "blue"}
    table = current_set(NEW)
    assert table is not None
    assert (table.dimensions, index_state(table)) == (DIMENSIONS, Index.THERE)
    assert (active_model(), found_by("red")) == (own, before)
    assert set(Image.objects.values_list("embedding_model", flat=True)) == {own}
    assert f"Prepared: {NEW}" in switch_model()


def test_an_activated_model_is_used_at_once_and_its_vectors_are_copied(pictures: list[Image]) -> None:
    own = active_model()
    switch_model(NEW)
    named = switching.activating.require_prepared()
    switching.activate(named)
    # Nothing is copied yet: rows name the old model, and all of them are found and counted.
    assert active_model() == NEW
    assert set(accepted_names(NEW)) == {NEW, own}
    assert found_by("lime")[0] == "lime"
    assert searched("lime").found == 3
    assert "The rows of 3 pictures still have vectors" in switch_model()
    switching.copy_vectors(threading.Event())
    assert set(Image.objects.values_list("embedding_model", flat=True)) == {NEW}
    assert accepted_names(NEW) == (NEW,)
    assert {len(vector) for vector in Image.objects.values_list("embedding", flat=True)} == {DIMENSIONS}
    assert in_set(own) == {"red", "lime", "blue"}
    assert searched("blue").found == 3
    assert found_by("blue")[0] == "blue"


def test_the_state_says_where_a_switch_stands(pictures: list[Image]) -> None:
    own = active_model()

    def figures() -> dict[str, Any]:
        return {one.name: (one.value, str(one.note)) for one in model_figures.models({}).figures}

    text = ("text_model", (embedding.text_model(), ""))
    assert list(figures().items()) == [("image_model", (own, "")), text]
    named = switching.begin(Pair(NEW, NEW))
    assert figures()["next_model"] == (NEW, "vectors of 0 pictures")
    assert switching.fill(named).added == 3
    assert figures()["next_model"] == (NEW, "vectors of 3 pictures")
    switch_model(NEW)
    switching.activate(switching.activating.require_prepared())
    assert figures()["image_model"] == (NEW, "")
    assert figures()["uncopied"][0] == 3
    assert figures()["kept_model"][0].startswith(f"{own}, ")
    switching.copy_vectors(threading.Event())
    assert list(figures()) == ["image_model", "text_model", "kept_model"]


def test_switching_back_restores_the_old_models_with_later_pictures(pictures: list[Image]) -> None:
    own, before = active_pair(), found_by("red")
    switch_model(NEW)
    assert "Switched to" in switch_model("--activate")
    upload("white")
    assert in_set(embedding.identity_of(own.image)) == {"red", "lime", "blue"}
    switch_model("--back")
    assert active_pair() == own
    assert set(before) < set(found_by("red"))
    assert in_set(active_model()) == {"red", "lime", "blue", "white"}
    assert set(Image.objects.values_list("embedding_model", flat=True)) == {active_model()}
    # And forward again, without another preparation.
    switch_model("--activate")
    assert active_model() == NEW


def test_switching_back_works_while_vectors_are_being_copied(pictures: list[Image]) -> None:
    own = active_model()
    switch_model(NEW)
    switching.activate(switching.activating.require_prepared())
    Image.objects.filter(title="red").update(embedding=Colours().encode_texts(["red"])[0], embedding_model=NEW)
    switching.go_back(switching.activating.require_kept())
    assert searched("red").found == 3
    switching.copy_vectors(threading.Event())
    assert set(Image.objects.values_list("embedding_model", flat=True)) == {own}
    assert searched("red").found == 3


def test_a_preparation_that_pictures_still_need_is_not_aborted(pictures: list[Image]) -> None:
    own = active_pair()
    switch_model(NEW)
    switch_model("--activate")
    switching.go_back(switching.activating.require_kept())  # killed before the vectors are copied back
    with pytest.raises(CommandError, match=r"`manage\.py switch_model --activate` continues it"):
        switch_model("--abort")
    assert searched("red").found == 3
    switch_model("--activate")
    assert active_pair() == own
    switch_model("--abort")
    assert not VectorSet.objects.filter(model=NEW).exists()
    assert searched("red").found == 3


def test_a_preparation_leaves_the_vectors_of_the_previous_models(pictures: list[Image]) -> None:
    own = active_pair()
    switch_model(NEW)
    switch_model("--activate")
    # The previous image model, with another text model of the same dimensions.
    loading.once_of("words", NEW_WORDS).set(loading.once_of("words", own.text).get())
    switch_model(own.image, NEW_WORDS)
    assert "previous models use its vectors" in switch_model("--abort")
    assert in_set(embedding.identity_of(own.image)) == {"red", "lime", "blue"}
    switch_model("--back")
    assert (active_pair(), searched("red").found) == (own, 3)
    assert set(Image.objects.values_list("embedding_model", flat=True)) == {active_model()}


def test_switching_back_does_not_end_another_preparation(pictures: list[Image]) -> None:
    own = active_pair()
    switch_model(NEW)
    switch_model("--activate")
    named = switching.begin(Pair(THIRD, THIRD))
    switching.fill(named)
    switch_model("--back")
    output = switch_model()
    assert f"Being prepared: {THIRD}" in output
    assert f"Kept: {NEW}" in output
    assert (active_pair(), searched("red").found) == (own, 3)
    switch_model(THIRD)
    switch_model("--activate")
    # Another process, which has prepared it, too, and was slower.
    with pytest.raises(switching.Refused, match="it is active now"):
        switching.finish(named, lambda doing: None, threading.Event())
    assert (active_pair(), searched("red").found) == (Pair(THIRD, THIRD), 3)


def test_an_aborted_preparation_leaves_nothing(pictures: list[Image]) -> None:
    before = VectorSet.objects.count()
    remember_picture(picture_bytes("red", size=(300, 300)))
    switch_model(NEW)
    assert QueryVector.objects.count() == 1
    switch_model("--abort")
    assert (VectorSet.objects.count(), QueryVector.objects.count()) == (before, 0)
    assert not ModelSwitch.objects.exists()
    assert not Calibration.objects.filter(model=NEW).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^search_imagevector_s[0-9]+$'")
        assert cursor.fetchone()[0] == before
    with pytest.raises(CommandError, match="Nothing is being prepared"):
        switch_model("--abort")


def test_removed_models_leave_nothing(pictures: list[Image]) -> None:
    own = active_pair()
    model = active_model()
    token = remember_picture(picture_bytes("red", size=(300, 300)))
    switch_model(NEW)
    with pytest.raises(CommandError, match="being prepared"):
        switch_model("--forget", NEW)
    with pytest.raises(CommandError, match="active"):
        switch_model("--forget", own.image)
    switch_model("--activate")
    switch_model("--forget", own.image)
    assert not VectorSet.objects.filter(model=model).exists()
    assert not Calibration.objects.filter(model=model).exists()
    assert QueryPicture.objects.get(pk=token).embedding_model == NEW
    assert not QueryVector.objects.exists()
    with pytest.raises(CommandError, match="no previous models"):
        switch_model("--back")
    with pytest.raises(CommandError, match="nothing to drop of"):
        switch_model("--forget", "somebody/else")
    assert found_by("red")[0] == "red"


def test_uploads_during_a_preparation_get_both_vectors(pictures: list[Image]) -> None:
    own = active_model()
    switch_model(NEW)
    upload("white")
    assert "white" in in_set(own) & in_set(NEW)


def test_an_upload_that_the_new_model_could_not_encode_is_encoded_later(
    pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = active_model()
    switch_model(NEW)
    with monkeypatch.context() as patch:
        patch.setattr(Colours, "encode_pictures", lambda self, pictures: np.zeros((len(pictures), DIMENSIONS)))
        upload("white")
    assert ("white" in in_set(own), "white" in in_set(NEW)) == (True, False)
    assert "white" in found_by("white")
    switch_model("--activate")
    assert "white" in in_set(NEW)
    assert found_by("white")[0] == "white"


def test_an_unreadable_picture_is_reported_and_does_not_stop_the_switch(pictures: list[Image]) -> None:
    lost = pictures[0]
    storage.delete([storage.original_key(lost.pk)])
    output = switch_model(NEW)
    assert str(lost.pk) in output
    assert searched("red").found == 3
    output = switch_model("--activate")
    assert "1 pictures have no vector" in output
    lost.refresh_from_db()
    assert lost.is_pending
    assert searched("red").found == 2
    switch_model("--back")
    lost.refresh_from_db()
    assert not lost.is_pending
    assert searched("red").found == 3


def test_a_picture_encoded_before_a_switch_and_written_after_it_is_found(
    pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_model(NEW)
    stale = chosen.chosen()
    switching.activate(switching.activating.require_prepared())
    with chosen.one_choice(stale):  # as in a process that has not noticed the switch
        image = upload("white")
    assert (image.embedding_model, in_set(NEW) >= {"white"}) == (NEW, True)
    assert found_by("white")[0] == "white"
    # Without a vector of the new model it is pending, and a worker computes one.
    with chosen.one_choice(chosen.Choice(stale.pair, stale.model, stale.also)):
        image = add_picture(picture_bytes("white", size=(500, 400)), Details(title="later"), None).image
    assert image.is_pending
    Worker(Pending()).work()
    assert "later" in in_set(NEW)


def test_a_worker_that_has_not_noticed_a_switch_writes_nothing_and_retries(
    pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_vector_worker, "BATCHES", 1)  # another one on its way would be refused, too
    switch_model(NEW)
    Image.objects.filter(title="red").update(embedding=None, embedding_model="")
    stale = chosen.chosen()
    switching.activate(switching.activating.require_prepared())
    owed = Pending()
    owed.choice = stale
    given: list[int] = []
    give = owed.give

    def once(vectors: Any, backend: str) -> int:
        given.append(give(vectors, backend))
        owed.choice = None
        return given[-1]

    owed.give = once  # type: ignore[method-assign]
    Worker(owed).work()
    assert given == [0, 1]
    assert Image.objects.get(title="red").embedding_model == NEW


def test_a_request_uses_one_model_to_its_end(pictures: list[Image], client: Client) -> None:
    seen: list[str] = []

    def view(_request: Any) -> Any:
        seen.append(active_model())
        switching.activate(switching.activating.require_prepared())
        seen.append(active_model())

    own = active_model()
    switch_model(NEW)
    OneChoice(view)(HttpRequest())
    seen.append(active_model())
    assert seen == [own, own, NEW]
    assert client.get("/api/search?q=lime&mode=meaning").json()["results"][0]["title"] == "lime"


def test_a_server_switches_only_when_the_new_models_are_loaded(pictures: list[Image]) -> None:
    own = active_model()
    ready = threading.Event()
    asked: list[Pair] = []

    def load(pair: Pair) -> None:
        asked.append(pair)
        assert ready.wait(30)

    chosen.follow_choice(load)
    active_model()
    switch_model(NEW)
    switching.activate(switching.activating.require_prepared())
    assert active_model() == own
    assert chosen.is_lagging()
    assert searched("red").found == 3
    assert set(accepted_names(own)) == {own, NEW}
    ready.set()
    for thread in threading.enumerate():
        if thread.name == "model-loading":
            thread.join(30)
    assert active_model() == NEW
    assert asked == [Pair(NEW, NEW)]


def test_a_server_that_can_not_load_the_new_models_keeps_the_old_ones(pictures: list[Image]) -> None:
    own = active_model()

    def load(pair: Pair) -> None:
        raise embedding.ModelUnavailable("It is not on this machine.")

    chosen.follow_choice(load)
    active_model()
    switch_model(NEW)
    switching.activate(switching.activating.require_prepared())
    assert active_model() == own
    for thread in threading.enumerate():
        if thread.name == "model-loading":
            thread.join(30)
    assert active_model() == own
    assert searched("red").found == 3


def test_a_later_change_of_the_environment_overrides_the_switch(pictures: list[Image], settings: Any) -> None:
    switch_model(NEW)
    switching.activate(switching.activating.require_prepared())
    before = active_pair()
    settings.EMBEDDING_IMAGE_MODEL = settings.EMBEDDING_TEXT_MODEL = NEW
    assert active_pair() == before  # the same pair
    settings.EMBEDDING_TEXT_MODEL = NEW_WORDS
    assert active_pair() == Pair(NEW, NEW_WORDS)
    assert "The environment was" in switch_model()
    with pytest.raises(CommandError, match="the environment takes precedence"):
        switch_model("--back")


def test_another_text_model_needs_no_new_picture_vectors(pictures: list[Image]) -> None:
    own, model = active_pair(), active_model()
    sets = VectorSet.objects.count()
    # The new text model does not fit the demo's pictures: this is reported before the preparation.
    with pytest.raises(CommandError, match="share no space"):
        switch_model("--text", NEW_WORDS)
    assert not ModelSwitch.objects.exists()
    switch_model(NEW)
    switch_model("--activate")
    switch_model("--text", NEW_WORDS)
    assert VectorSet.objects.count() == sets + 1
    switch_model("--activate")
    assert active_pair() == Pair(NEW, NEW_WORDS)
    assert found_by("red")[0] == "red"
    switch_model("--back")
    assert active_pair() == Pair(NEW, NEW)
    switch_model("--abort")
    assert active_pair() == Pair(NEW, NEW)
    # The original models are kept until they are removed explicitly.
    assert VectorSet.objects.filter(model=model).exists()
    switch_model("--forget", own.image)
    assert not VectorSet.objects.filter(model=model).exists()


def test_a_query_picture_stays_usable_across_a_switch(pictures: list[Image], monkeypatch: pytest.MonkeyPatch) -> None:
    token = remember_picture(picture_bytes("lime", size=(300, 300)))
    before = picture_vector(token)
    switch_model(NEW)
    stale = chosen.chosen()
    switch_model("--activate")
    # Its vector exists: nothing is encoded during the request.
    with monkeypatch.context() as patch:
        patch.setattr(Colours, "encode_pictures", None)
        assert len(picture_vector(token)) == DIMENSIONS
        query = SearchQuery(parts=(Part(Kind.PICTURE, token),))
        assert find(query).images[0].title == "lime"
    with chosen.one_choice(stale):
        assert np.array_equal(picture_vector(token), before)


def test_an_unprepared_model_can_not_be_activated(pictures: list[Image]) -> None:
    with pytest.raises(CommandError, match="switch_model NEW_IMAGE_MODEL"):
        switch_model("--activate")
    switching.begin(Pair(NEW, NEW))
    with pytest.raises(CommandError, match=f"switch_model {NEW} {NEW}` continues"):
        switch_model("--activate")
    assert "0 of 3 pictures have a vector" in switch_model()
    with pytest.raises(CommandError, match="--abort"):
        switch_model(NEW, NEW_WORDS)


def test_two_machines_share_the_work_and_encode_each_picture_once(
    pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        stored_image("white", title=str(number))
    encoded: list[int] = []
    plain = Colours.encode_pictures

    def counted(self: Colours, pictures: Sequence[Any]) -> Vectors:
        encoded.append(len(pictures))
        return plain(self, pictures)

    monkeypatch.setattr(Colours, "encode_pictures", counted)
    named = switching.begin(Pair(NEW, NEW))
    workers = [in_another_thread(lambda: switching.fill(named)) for _ in range(2)]
    for worker in workers:
        worker.join(60)
    assert sum(encoded) == 23
    assert len(in_set(NEW)) == 23


def test_a_deleted_picture_leaves_nothing_in_either_set(pictures: list[Image], carol: User) -> None:
    switch_model(NEW)
    pictures[0].delete()
    assert ImageVector.objects.filter(image_id=pictures[0].pk).count() == 0
    switch_model("--activate")
    assert searched("red").found == 2
