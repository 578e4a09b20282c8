"""Concurrent changes of the same rows: worker and curator, two curators, curator and deletion."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import Group, Permission, User
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from search.accounts.forms import ChangePasswordForm
from search.accounts.roles import CONTRIBUTOR
from search.admin.accounts import SetPasswordForm
from search.admin.images import ImageAdmin
from search.embedding import active_model
from search.ingestion.pending import Pending, Stale, claim, write_vectors
from search.ingestion.pipeline.rows import staging
from search.ingestion.pipeline.window_vectors import Encoded
from search.models import Capture, Image, Report, Revision, Run, SignUp, Trashed, VocabularyTag, conflicts
from search.models.conflicts import retried
from search.views import images, reports
from tests.admin_pages import IMAGES, REPORTS, act, said
from tests.base import a_vector, an_image, an_unsaved_image, in_another_thread, picture_file

pytestmark = pytest.mark.django_db(transaction=True)

BUSY = "Someone else is changing this, or its vector is being computed. Nothing was changed."


def change_page(row: Any) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


def as_curator(name: str) -> Client:
    curator = User.objects.create_user(name, is_staff=True)
    curator.user_permissions.set(Permission.objects.filter(content_type__app_label="search"))
    client = Client(raise_request_exception=False)
    client.force_login(curator)
    return client


def pending(**fields: Any) -> Image:
    image = an_image(**fields)
    Image.objects.filter(pk=image.pk).update(embedding=None, embedding_model="")
    return image


@contextmanager
def running_concurrently(*works: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run functions in threads with their own connections; their results are in the list after the block."""
    done: list[Any] = []

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(run, work) for work in works]
        yield done
        done.extend(each.result(60) for each in running)


def wait_until_blocked() -> None:
    """Return when a statement of another connection waits for a lock."""
    patience = threading.Event()
    with connection.cursor() as cursor:
        for _ in range(3000):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            patience.wait(0.01)
    raise AssertionError("nobody waits")


# A curator, and an ingestion that copies originals from other buckets


@pytest.mark.parametrize("is_stale", [True, False])
def test_ingestion_locks_rows_in_the_order_of_their_ids(is_stale: bool) -> None:
    low, high = sorted((an_image(original_location=f"s3://shelf/{number}") for number in "12"), key=lambda one: one.pk)
    if is_stale:
        Image.objects.filter(pk=high.pk).update(embedding=None, embedding_model="")
    again = [
        an_unsaved_image(id=one.pk, embedding_backend="", embedding_failure="", original_location="")
        for one in (high, low)
    ]

    def ingest() -> None:
        with staging() as rows:
            rows.write(again)

    with running_concurrently(ingest), transaction.atomic():
        # The lock of a curator's action that has begun with the lowest id.
        assert list(Image.objects.select_for_update().filter(pk=low.pk)) == [low]
        wait_until_blocked()
        assert list(Image.objects.select_for_update(nowait=True).filter(pk=high.pk)) == [high]

    assert list(Image.objects.values_list("original_location", "embedding_model")) == [("", active_model())] * 2


# A curator, and a worker that computes vectors


@pytest.mark.parametrize("owed", [Pending, Stale])
def test_an_edit_while_a_vector_is_computed_keeps_both(owed: Any) -> None:
    carol = as_curator("carol")
    image = pending(title="One")
    if owed is Stale:
        Image.objects.filter(pk=image.pk).update(embedding=a_vector(1), embedding_model="an/older-model")

    held = threading.Event()

    def save() -> Any:
        held.wait(30)
        return carol.post(change_page(image), {"title": "Lighthouse", "tags": "sea"}, follow=True)

    with running_concurrently(save) as done, claim(owed(), 10, ()) as claimed:
        held.set()
        assert claimed == [image]
        wait_until_blocked()
        write_vectors({image.pk: Encoded(a_vector(7))}, "by hand")

    assert "changed successfully" in said(done[0])
    image.refresh_from_db()
    assert (image.title, image.tags) == ("Lighthouse", ["sea"])
    assert (image.embedding_model, image.embedding_backend) == (active_model(), "by hand")


def test_an_edit_that_waits_too_long_is_a_409_with_the_form_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "PATIENCE", "50ms")
    carol = as_curator("carol")
    image = pending(title="One", tags=["sea"])

    def everything() -> list[Any]:
        delete_page = reverse("admin:search_image_delete", args=[image.pk])
        return [
            carol.post(change_page(image), {"title": "Lighthouse", "description": "Before <the> storm"}),
            act(carol, "hide", image),
            act(carol, "add_tags", image, tags="sky"),
            act(carol, "delete_selected", image, post="yes"),
            carol.post(delete_page, {"post": "yes"}, follow=True),
            carol.post(change_page(image), {"title": "등대"}, headers={"accept-language": "ko"}),
        ]

    with claim(Pending(), 10, ()), running_concurrently(everything) as done:
        pass

    [[form, *actions, in_korean]] = [*done]
    assert form.status_code == HTTPStatus.CONFLICT
    assert BUSY in form.content.decode()
    assert 'value="Lighthouse"' in form.content.decode()
    assert "Before &lt;the&gt; storm" in form.content.decode()
    assert [BUSY in said(answer) for answer in actions] == [True] * 4
    assert "다른 사람이" in in_korean.content.decode()
    image.refresh_from_db()
    assert (image.title, image.tags, image.hidden) == ("One", ["sea"], False)


def test_saving_an_image_that_was_just_deleted_shows_a_message() -> None:
    carol = as_curator("carol")
    image = an_image("One")

    held = threading.Event()

    def save() -> Any:
        held.wait(30)
        return carol.post(change_page(image), {"title": "Lighthouse"}, follow=True)

    with running_concurrently(save) as done, transaction.atomic():
        Image.objects.filter(pk=image.pk)._raw_delete(using="default")
        held.set()
        wait_until_blocked()

    assert done[0].status_code == HTTPStatus.OK
    assert "Perhaps it was deleted?" in said(done[0])


# Forms write only changed fields


def columns_written(queries: CaptureQueriesContext, table: str) -> set[str]:
    found: set[str] = set()
    for query in queries:
        if match := re.match(rf'UPDATE "{table}" SET (.+) WHERE ', query["sql"], flags=re.DOTALL):
            found |= set(re.findall(r'"(\w+)" = ', match[1]))
    return found


def test_forms_of_the_admin_write_only_changed_columns(admin_client: Client, alice: User) -> None:
    image = an_image("One", description="A house")
    eve = User.objects.create_user("eve", is_active=False)
    asked: dict[type[Any], tuple[Any, dict[str, Any], set[str]]] = {
        Image: (image, {"title": "Two", "description": "A house"}, {"title", "updated"}),
        Report: (Report.objects.create(image=image, reason="other"), {"reason": "violent"}, set()),
        User: (
            alice,
            {"username": "alice", "email": "alice@example.org", "is_active": "on", "role": CONTRIBUTOR},
            {"email"},
        ),
        SignUp: (SignUp.objects.create(user=eve), {"user": alice.pk}, set()),
        Group: (Group.objects.create(name="curators"), {"name": "the curators"}, {"name"}),
        VocabularyTag: (
            VocabularyTag.objects.create(name="sea", phrase="the sea"),
            {"name": "sea", "phrase": "the sea", "english": "Sea"},
            {"english"},
        ),
    }
    # The history, the trash and the runs have no forms.
    without_form = {Revision, Run, Trashed}
    assert set(admin.site._registry) == {*asked, *without_form}, "say here what the form of a new model writes"
    inlines = [inline.model for one in admin.site._registry.values() for inline in one.inlines]
    assert inlines == [Capture], "say below what the form of another one writes"
    for model, (row, sent, expected) in asked.items():
        with CaptureQueriesContext(connection) as queries:
            answer = admin_client.post(change_page(row), sent)
        assert answer.status_code == HTTPStatus.FOUND, answer.context["adminform"].form.errors
        assert columns_written(queries, model._meta.db_table) == expected, model


def test_only_changed_columns_of_a_capture_are_written(admin_client: Client) -> None:
    image = an_image("One")
    Capture.objects.create(image=image, camera="X100V", iso=200, edited=["camera"])
    shown = {"initial-title": "One", "capture-0-camera": "X100V", "initial-capture-0-camera": "X100V"}
    form = {"capture-TOTAL_FORMS": "1", "capture-INITIAL_FORMS": "1", "capture-0-image": str(image.pk)}
    with CaptureQueriesContext(connection) as queries:
        sent = {**form, **shown, "title": "Two", "capture-0-rating": "4"}
        assert admin_client.post(change_page(image), sent).status_code == HTTPStatus.FOUND
    assert columns_written(queries, "search_capture") == {"rating"}
    capture = Capture.objects.get()
    assert (capture.rating, capture.camera, capture.iso) == (4, "X100V", 200)
    assert capture.edited == ["camera", "rating", "title"]


def test_changes_by_others_since_the_page_was_opened_are_kept() -> None:
    carol = as_curator("carol")
    image = an_image("One", description="A house\nby the sea", tags=["sea"], hidden=True)
    page = carol.get(change_page(image)).content.decode()
    shown = {
        "title": "One", "initial-title": "One", "tags": "sea", "initial-tags": "sea", "initial-hidden": "True",
        "description": "A house\r\nby the sea", "initial-description": "A house\r\nby the sea", "hidden": "on",
    }  # fmt: skip
    assert {name for name in shown if name.startswith("initial-")} <= set(re.findall(r'name="(initial-\w+)"', page))
    Image.objects.filter(pk=image.pk).update(tags=["sea", "evening"], description="Better words", hidden=False)

    carol.post(change_page(image), {**shown, "title": "Lighthouse"})

    image.refresh_from_db()
    assert (image.title, image.tags) == ("Lighthouse", ["sea", "evening"])
    assert (image.description, image.hidden) == ("Better words", False)


def test_an_account_that_was_closed_since_its_page_was_opened_stays_closed(admin_client: Client, alice: User) -> None:
    curators = Group.objects.create(name="curators")
    curators.permissions.set(Permission.objects.filter(codename__in=["view_image", "change_image"]))
    alice.groups.add(curators)
    opened = {row: admin_client.get(change_page(row)).content.decode() for row in (alice, curators)}
    sent: dict[Any, dict[str, Any]] = {
        alice: {"username": "alice", "email": "a@example.org", "is_active": "on", "groups": [curators.pk]},
        curators: {"name": "the curators", "permissions": [each.pk for each in curators.permissions.all()]},
    }
    for row, shown in sent.items():
        there = set(re.findall(r'name="(initial-\w+)"', opened[row]))
        assert {f"initial-{name}" for name in shown} <= there
        # As the page showed them: no e-mail, and no permission besides those of the group.
        before = {"email": "", "name": "curators", "is_active": "True", "user_permissions": [""]}
        shown.update({f"initial-{name}": value for name, value in {**shown, **before}.items()})
    User.objects.filter(pk=alice.pk).update(is_active=False)
    alice.groups.clear()
    granted = Permission.objects.get(codename="view_report")
    alice.user_permissions.add(granted)
    curators.permissions.clear()

    for row, shown in sent.items():
        assert admin_client.post(change_page(row), shown).status_code == HTTPStatus.FOUND

    alice.refresh_from_db()
    curators.refresh_from_db()
    assert (alice.email, alice.is_active, [*alice.groups.all()]) == ("a@example.org", False, [])
    assert [*alice.user_permissions.all()] == [granted]
    assert (curators.name, [*curators.permissions.all()]) == ("the curators", [])


def test_chosen_groups_survive_a_form_with_an_error(admin_client: Client, alice: User) -> None:
    curators = Group.objects.create(name="curators")
    sent = {"username": "", "is_active": "on", "groups": [curators.pk], "initial-groups": [""]}

    page = admin_client.post(change_page(alice), sent).content.decode()
    [before] = re.findall(r'<input[^>]* name="initial-groups"[^>]*>', page)
    admin_client.post(change_page(alice), {**sent, "username": "alice"})

    assert 'value=""' in before or "value" not in before
    assert [*alice.groups.all()] == [curators]


def test_no_success_message_if_saving_fails_at_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    carol = as_curator("carol")
    eve = User.objects.create_user("eve")
    image = an_image("One")
    save = ImageAdmin.save_model

    def save_just_before_eve_goes(self: Any, *args: Any) -> None:
        save(self, *args)
        in_another_thread(lambda: User.objects.filter(pk=eve.pk).delete()).join()

    monkeypatch.setattr(ImageAdmin, "save_model", save_just_before_eve_goes)
    answer = carol.post(change_page(image), {"title": "Two", "uploader": str(eve.pk)}, follow=True)

    image.refresh_from_db()
    assert image.title == "One"
    assert answer.context["adminform"].form.errors.keys() == {"uploader"}
    assert said(answer) == ""


def test_a_new_password_changes_no_other_field_of_an_account(alice: User) -> None:
    words = {"new_password1": "a long new secret", "new_password2": "a long new secret"}
    request = RequestFactory().post("/")
    own = ChangePasswordForm(alice, {"old_password": "alice's secret", **words}, request=request)
    by_curator = SetPasswordForm(
        User.objects.get(pk=alice.pk), {"password1": "another new secret", "password2": "another new secret"}
    )
    User.objects.filter(pk=alice.pk).update(is_active=False)

    for form in (own, by_curator):
        assert form.is_valid(), form.errors
        form.save()
        assert not User.objects.get(pk=alice.pk).is_active
    assert User.objects.get(pk=alice.pk).check_password("another new secret")


def test_no_success_message_if_changing_a_password_fails(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(alice)
    client.raise_request_exception = False
    words = {"new_password1": "a long new secret", "new_password2": "a long new secret"}
    with monkeypatch.context() as away:
        away.setattr(ChangePasswordForm, "save", lambda _form: raise_with_code("57P01"))
        answer = client.post(reverse("change-password"), {"old_password": "alice's secret", **words})

    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert said(client.get("/")) == ""


# Two curators


def several(count: int) -> tuple[list[Image], list[Report]]:
    """Images, and reports of them created in the opposite order."""
    pictures = sorted((an_image(str(number)) for number in range(count)), key=lambda image: image.pk)
    made = [Report.objects.create(image=image, reason="other") for image in reversed(pictures)]
    return pictures, made


@pytest.mark.parametrize("other", ["hide", "delete_selected", "resolve_selected", "the account"])
def test_two_curators_who_change_the_same_images_both_succeed(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    monkeypatch.setattr(conflicts, "TRIES", 1)  # without retries, by the order of locks
    carol, dora = as_curator("carol"), as_curator("dora")
    admin_client = Client(raise_request_exception=False)
    admin_client.force_login(User.objects.create_superuser("admin"))
    for turn in range(4):
        pictures, made = several(25)
        eve = User.objects.create_user(f"eve{turn}")
        Image.objects.update(uploader=eve)
        Report.objects.update(reporter=eve)
        together = threading.Barrier(2)

        def first(made: list[Report] = made, together: threading.Barrier = together) -> Any:
            together.wait(30)
            return act(carol, "hide_selected", *made, where=REPORTS)

        def second(
            pictures: list[Image] = pictures,
            made: list[Report] = made,
            eve: User = eve,
            together: threading.Barrier = together,
        ) -> Any:
            together.wait(30)
            if other == "resolve_selected":
                return act(dora, other, *made, where=REPORTS)
            if other == "the account":
                return admin_client.post(
                    reverse("admin:auth_user_delete", args=[eve.pk]), {"post": "yes"}, follow=True
                )
            return act(dora, other, *reversed(pictures), post="yes")

        with running_concurrently(first, second) as done:
            pass
        assert [answer.status_code for answer in done] == [HTTPStatus.OK] * 2
        assert not [answer for answer in done if BUSY in said(answer)]
        # Reports that dora resolved first are skipped when carol hides their images.
        shown = Image.objects.filter(hidden=False).count()
        assert not shown or (other == "resolve_selected" and shown == len(pictures))
        # Reports of pictures that dora moved to the trash first are no longer in carol's list.
        assert not Report.objects.filter(resolved=None, image__trashed=None).exists()
        assert not User.objects.filter(pk=eve.pk).exists() or other != "the account"
        Image.objects.all().delete()


def test_the_victim_of_a_deadlock_is_retried() -> None:
    one, two = an_image("One"), an_image("Two")
    together = threading.Barrier(2)
    tries: list[str] = []

    def take(name: str, *order: Image) -> Callable[[], None]:
        def work() -> None:
            tries.append(name)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL deadlock_timeout = '20ms'")
                for image in order:
                    Image.objects.filter(pk=image.pk).update(author=name)
                    if tries.count(name) == 1 and image is order[0]:
                        together.wait(30)

        return work

    with running_concurrently(lambda: retried(take("carol", one, two)), lambda: retried(take("dora", two, one))):
        pass

    assert len(tries) == 3
    assert len(set(Image.objects.values_list("author", flat=True))) == 1


def raise_with_code(code: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{code}'; END $$")


@pytest.mark.parametrize(("code", "tries"), [("40P01", conflicts.TRIES), ("40001", conflicts.TRIES), ("55P03", 1)])
def test_a_conflict_after_all_retries_is_reported(monkeypatch: pytest.MonkeyPatch, code: str, tries: int) -> None:
    monkeypatch.setattr(conflicts, "_PAUSE", 0.0)
    carol = as_curator("carol")
    report = Report.objects.create(image=an_image("One"), reason="other")
    tried: list[None] = []

    def fail(*args: Any, **options: Any) -> None:
        tried.append(None)
        raise_with_code(code)

    monkeypatch.setattr(Report, "resolve_all", fail)
    answer = carol.post(reverse("admin:search_report_resolve", args=[report.pk]), {"hide": "1"}, follow=True)

    assert BUSY in said(answer)
    assert len(tried) == tries
    report.refresh_from_db()
    assert report.resolved is None


def test_an_error_that_is_no_conflict_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[None] = []

    def fail() -> None:
        tried.append(None)
        raise_with_code("57014")

    with pytest.raises(OperationalError):
        retried(fail)
    assert len(tried) == 1


@pytest.mark.parametrize("code", ["40P01", "40001", "55P03"])
def test_a_conflict_on_a_page_or_in_the_api_is_a_409_with_retry_after(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    client = as_curator("carol")
    path = f"{an_image('One').get_absolute_url()}report/"
    monkeypatch.setattr(reports, "visible_image", lambda *args: raise_with_code(code))
    monkeypatch.setattr("search.ingestion.upload_runs.add_or_restore", lambda *args, **options: raise_with_code(code))

    page = client.post(path, {"reason": "other"})
    in_korean = client.post(path, {"reason": "other"}, headers={"accept-language": "ko"})
    answer = client.post("/api/images", {"picture": picture_file()})

    assert (page.status_code, page.headers["Retry-After"]) == (HTTPStatus.CONFLICT, "5")
    assert "Someone else is changing the same data." in page.content.decode()
    assert "The database does not respond." not in page.content.decode()
    assert "지금 다른 사람이 같은 내용을 바꾸고 있습니다." in in_korean.content.decode()
    assert (answer.status_code, answer.headers["Retry-After"]) == (HTTPStatus.CONFLICT, "5")
    assert answer.json()["type"].endswith("#conflict")


@pytest.mark.parametrize("path", ["/", "/admin/search/image/", "/api/search"])
def test_reading_a_locked_table_is_a_503_that_says_the_database_is_busy(path: str) -> None:
    an_image("One")  # without images no table is queried
    client = as_curator("carol")
    client.get(path)

    def look() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        return client.get(path)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE search_image")
        with running_concurrently(look) as done:
            pass

    assert done[0].status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "The database is busy." in done[0].content.decode()


# Rows deleted or created during a request


def test_reporting_an_image_that_was_just_deleted_is_404(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    image = an_image("One")
    seen = images.visible_image

    def deleted_after(*args: Any) -> Image:
        found = seen(*args)
        in_another_thread(lambda: Image.objects.all()._raw_delete(using="default")).join()
        return found

    monkeypatch.setattr(reports, "visible_image", deleted_after)
    client.raise_request_exception = False
    assert client.post(f"{image.get_absolute_url()}report/", {"reason": "other"}).status_code == HTTPStatus.NOT_FOUND


def test_the_second_of_two_concurrent_sign_ups_with_one_name_gets_an_error(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = BaseUserCreationForm.save

    def overtaken(form: Any, commit: bool = True) -> Any:
        in_another_thread(lambda: User.objects.create_user("dora")).join()
        return save(form, commit)

    monkeypatch.setattr(BaseUserCreationForm, "save", overtaken)
    client.raise_request_exception = False
    words = {"username": "dora", "password1": "a long new secret", "password2": "a long new secret"}
    answer = client.post(reverse("sign-up"), words)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "already exists" in answer.content.decode()


def test_saving_a_deleted_row_is_409(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any) -> None:
        raise DatabaseError("Save with update_fields did not affect any rows.")

    monkeypatch.setattr(reports, "visible_image", gone)
    client.raise_request_exception = False
    page = client.post(f"{an_image('One').get_absolute_url()}report/", {"reason": "other"})
    assert page.status_code == HTTPStatus.CONFLICT
    assert "Someone else has changed or deleted this." in page.content.decode()


def test_after_a_conflict_the_list_keeps_its_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "PATIENCE", "50ms")
    carol = as_curator("carol")
    image = pending(title="One")
    with (
        claim(Pending(), 10, ()),
        running_concurrently(lambda: act(carol, "hide", image, where=f"{IMAGES}?q=One")) as done,
    ):
        pass
    assert done[0].redirect_chain[-1][0] == f"{IMAGES}?q=One"
