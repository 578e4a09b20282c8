"""Images are numbered in the order in which they become visible, regardless of when their transactions began."""

import datetime as dt
import threading
from collections import Counter
from importlib import import_module

import pytest
from django.db import connection, transaction
from django.test import Client

from search.embedding import active_model
from search.models import Arrival, Image, SavedSearch
from search.models.arrivals import state
from search.query import SearchQuery
from search.query.saved_searches import save_search
from search.retrieval import find
from search.retrieval.new_matches import Window, new_matches
from tests.base import a_vector, an_image, in_another_thread


def titles(window: Window) -> list[str]:
    return [image.title for image in new_matches(SearchQuery(), window, 100).images]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_after_a_visit_is_reported_once():
    hidden = an_image("shown again", hidden=True)
    pending = an_image("embedded")
    Image.objects.filter(pk=pending.pk).update(embedding=None, embedding_model="")
    begun, looked = threading.Event(), threading.Event()

    def adds() -> None:
        with transaction.atomic():
            an_image("added")
            Image.objects.filter(pk=hidden.pk).update(hidden=False)
            Image.objects.filter(pk=pending.pk).update(embedding=a_vector(1), embedding_model=active_model())
            begun.set()
            looked.wait(10)

    before = state().arrived
    thread = in_another_thread(adds)
    assert begun.wait(10)
    an_image("in between")
    first = Window.since(before)
    assert titles(first) == ["in between"]
    looked.set()
    thread.join()
    assert titles(first) == ["in between"]
    second = Window.since(first.to)
    assert sorted(titles(second)) == ["added", "embedded", "shown again"]
    assert titles(Window.since(second.to)) == []


@pytest.mark.django_db(transaction=True)
def test_concurrent_additions_are_reported_without_gaps_or_repeats():
    told: Counter[str] = Counter()
    last = state().arrived

    def adds(name: int) -> None:
        for number in range(5):
            with transaction.atomic():
                for each in range(3):
                    an_image(f"{name} {number} {each}")

    threads = [in_another_thread(lambda name=name: adds(name)) for name in range(4)]
    while any(thread.is_alive() for thread in threads) or state().arrived > last:
        window = Window.since(last)
        told.update(titles(window))
        last = window.to
    assert len(told) == 4 * 5 * 3
    assert set(told.values()) == {1}


@pytest.mark.django_db(transaction=True)
def test_pages_do_not_shift_when_an_older_transaction_commits():
    for number in range(30):
        an_image(str(number))
    begun, looked = threading.Event(), threading.Event()

    def adds() -> None:
        with transaction.atomic():
            an_image("late")
            begun.set()
            looked.wait(10)

    thread = in_another_thread(adds)
    assert begun.wait(10)
    first = find(SearchQuery())
    before = [image.id for image in find(first.at_page(2)).images]
    looked.set()
    thread.join()
    assert find(SearchQuery()).found == 31
    second = find(first.at_page(2))
    assert ([image.id for image in second.images], second.found) == (before, 30)


@pytest.mark.django_db(transaction=True)
def test_images_hidden_or_deleted_in_their_transaction_do_not_arrive():
    before = state().arrived
    with transaction.atomic():
        an_image("hidden").hide()
        an_image("deleted").delete()
        changed = an_image("shown in the end", hidden=True)
        for hidden in (False, True, False):
            Image.objects.filter(pk=changed.pk).update(hidden=hidden)
    assert titles(Window.since(before)) == ["shown in the end"]


@pytest.mark.django_db(transaction=True)
def test_an_edit_is_a_change_in_each_transaction_and_after_each_look_unless_taken_back():
    images = [an_image(str(number)) for number in range(3)]
    edited = Image.objects.filter(pk__in=[image.pk for image in images])
    before = state().changed
    edited.update(title="all")
    assert state().changed > before

    before = state().changed
    with transaction.atomic():
        start = transaction.savepoint()
        edited.update(title="not written")
        transaction.savepoint_rollback(start)
        assert state().changed == before
        edited.update(author="Ada")  # no search is about it
        assert state().changed == before
        edited.update(title="some")
        seen = state().changed
        assert seen > before
        edited.update(title="others")
    assert state().changed > seen


@pytest.mark.django_db
def test_pending_images_do_not_count_towards_the_limit_of_new_matches(alice, as_alice: Client, monkeypatch):
    monkeypatch.setattr("search.views.saved_searches.COUNTED_AMONG", 5)
    save_search(alice, SearchQuery())
    for number in range(5):
        an_image(str(number))
    waiting = [an_image("waits").pk for _each in range(20)]
    Image.objects.filter(pk__in=waiting).update(embedding=None, embedding_model="")
    assert as_alice.get("/saved/").context["searches"][0].new == 5


@pytest.mark.django_db
def test_arrival_numbers_are_deleted_with_their_images():
    image = an_image()
    state()
    assert Arrival.objects.count() == 1
    image.delete()
    assert Arrival.objects.count() == 0


@pytest.mark.django_db
def test_the_migration_numbers_existing_images_and_keeps_the_state_of_saved_searches(alice):
    now = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    for number in (2, 1, 3):
        an_image(f"day {number}", created=now + dt.timedelta(days=number))
    an_image("hidden", hidden=True, created=now)
    saved = save_search(alice, SearchQuery())[0]
    SavedSearch.objects.update(told_to=None, last_seen=now + dt.timedelta(days=1, hours=12))
    state()
    Arrival.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(import_module("search.migrations.0011_arrivals").NUMBER_WHAT_IS_THERE)
    saved.refresh_from_db()
    assert saved.told == 1
    assert titles(Window.since(saved.told)) == ["day 3", "day 2"]
    an_image("new")
    assert titles(Window.since(saved.told)) == ["new", "day 3", "day 2"]
