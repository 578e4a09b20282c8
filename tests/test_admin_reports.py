"""The queue of reports, and how curators decide them."""

from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from search.models import DuplicatePair, Image, Report, Revision, TagSuggestion, VocabularyTag
from search.objects import storage
from tests import admin_pages
from tests.admin_pages import REPORTS, log_in_staff, rows, said
from tests.base import an_image

pytestmark = pytest.mark.django_db


def a_report(image: Image | None = None, **fields) -> Report:
    return Report.objects.create(image=image or an_image("Lighthouse"), **{"reason": "violent", **fields})


def resolve(report: Report) -> str:
    return reverse("admin:search_report_resolve", args=[report.pk])


def reopen(report: Report) -> str:
    return reverse("admin:search_report_reopen", args=[report.pk])


def act(client: Client, action: str, *reports: Report) -> Any:
    return admin_pages.act(client, action, *reports, where=REPORTS)


# The queue


def test_the_queue_shows_pending_reports_oldest_first(as_carol, carol):
    first, second, done = a_report(), a_report(), a_report()
    done.resolve(carol)
    assert rows(as_carol.get(REPORTS)) == [first, second]
    assert rows(as_carol.get(REPORTS, {"state": "resolved"})) == [done]
    assert rows(as_carol.get(REPORTS, {"state": "all"})) == [first, second, done]


def test_a_report_is_shown_with_its_picture(as_carol, alice):
    image = an_image("Lighthouse")
    a_report(image, reporter=alice, details="A house number <b>is seen</b>")
    a_report(image)
    page = as_carol.get(REPORTS).content.decode()
    assert reverse("rendition", args=[image.pk, storage.THUMBNAIL]) in page
    for text in ("Lighthouse", "Violent", "A house number &lt;b&gt;", "alice", "Someone without an account"):
        assert text in page
    assert page.count("1 more pending") == 2


def test_the_queue_takes_as_many_queries_for_one_report_as_for_many(as_carol, alice, django_assert_num_queries):
    a_report(reporter=alice)
    as_carol.get(REPORTS)
    with CaptureQueriesContext(connection) as first:
        as_carol.get(REPORTS)
    assert not [query["sql"] for query in first if '"embedding"' in query["sql"]]
    for _number in range(20):
        a_report(reporter=alice)
    with django_assert_num_queries(len(first)):
        as_carol.get(REPORTS)


def test_reports_are_found_by_their_words_their_picture_and_their_reporter(as_carol, alice):
    report = a_report(details="house number", reporter=alice)
    a_report(an_image("Mountain"))
    for search in ("number", "lighthouse", "alice", str(report.image.pk), report.image.get_absolute_url()):
        assert rows(as_carol.get(REPORTS, {"q": search})) == [report], search
    assert len(rows(as_carol.get(REPORTS, {"reason__exact": "violent"}))) == 2


def test_reports_can_not_be_added_or_edited_in_the_admin(as_carol):
    report = a_report(details="house number")
    assert as_carol.get(REPORTS + "add/").status_code == HTTPStatus.FORBIDDEN
    as_carol.post(reverse("admin:search_report_change", args=[report.pk]), {"details": "nothing", "reason": "other"})
    report.refresh_from_db()
    assert (report.details, report.reason) == ("house number", "violent")


# Decisions


def test_a_curator_resolves_a_report_with_one_click(as_carol, carol):
    report, other = a_report(), a_report()
    response = as_carol.post(resolve(report) + "?_changelist_filters=reason__exact%3Dviolent", follow=True)
    assert response.redirect_chain[-1][0] == f"{REPORTS}?reason__exact=violent"
    assert "1 report was resolved" in said(response)
    assert rows(response) == [other]
    report.refresh_from_db()
    assert (report.resolver, report.image.hidden) == (carol, False)


def test_hiding_the_picture_resolves_all_of_its_reports(as_carol, carol):
    report = a_report()
    also = a_report(report.image)
    response = as_carol.post(resolve(report), {"hide": "1"}, follow=True)
    assert "1 picture is now hidden" in said(response)
    assert "2 reports were resolved" in said(response)
    for each in (report, also):
        each.refresh_from_db()
        assert (each.resolver, each.image.hidden) == (carol, True)
    assert reverse("admin:search_revision_undo", args=[Revision.objects.get().pk]) in said(response)


def test_the_buttons_are_in_the_row_and_on_the_page_of_a_report(as_carol):
    report = a_report()
    for address in (REPORTS, reverse("admin:search_report_change", args=[report.pk])):
        page = as_carol.get(address).content.decode()
        assert page.count(f'formaction="{resolve(report)}') == 2
        assert "Hide and resolve" in page


def test_reports_are_resolved_in_bulk(as_carol, carol):
    one, two, other = a_report(), a_report(), a_report()
    assert "2 reports were resolved" in said(act(as_carol, "resolve_selected", one, two))
    assert rows(as_carol.get(REPORTS)) == [other]
    assert not Image.objects.filter(hidden=True).exists()
    assert LogEntry.objects.filter(user=carol).count() == 2


def test_pictures_are_hidden_and_their_reports_resolved_in_bulk(as_carol):
    one = a_report()
    also, two, other = a_report(one.image), a_report(), a_report()
    response = act(as_carol, "hide_selected", one, also, two)
    assert "2 pictures are now hidden" in said(response)
    assert "3 reports were resolved" in said(response)
    assert rows(response) == [other]
    assert set(Image.objects.filter(hidden=True)) == {one.image, two.image}


@pytest.mark.parametrize("how", ["the button", "the action"])
def test_hiding_is_logged_for_the_picture_and_all_of_its_reports(as_carol, carol, how):
    report = a_report()
    also = a_report(report.image)
    hidden_before = a_report(an_image("Mountain", hidden=True))
    if how == "the button":
        as_carol.post(resolve(report), {"hide": "1"})
        as_carol.post(resolve(hidden_before), {"hide": "1"})
    else:
        act(as_carol, "hide_selected", report, hidden_before)
    entries = LogEntry.objects.filter(user=carol)
    told = {(entry.object_id, entry.get_change_message()) for entry in entries}
    assert told == {(str(each.pk), "Changed resolved.") for each in (report, also, hidden_before)}
    assert [edit.image_id for edit in Revision.objects.get(by=carol, kind="hide").edits.all()] == [report.image.pk]
    history = as_carol.get(reverse("admin:search_image_history", args=[report.image.pk])).content.decode()
    assert "Hidden" in history
    assert "carol" in history


def test_a_report_that_another_curator_has_decided_is_not_decided_twice(as_carol, carol, alice):
    report, other = a_report(), a_report()
    report.resolve(alice)
    hidden, closed = Report.resolve_all([report.pk, other.pk], carol)
    assert (hidden, closed) == ([], [other])
    assert Report.reopen_all([report.pk, other.pk]) == [report, other]
    assert Report.reopen_all([report.pk, other.pk]) == []


def test_a_resolved_report_shows_its_resolver_and_can_be_reopened(as_carol, carol):
    report = a_report()
    report.resolve(carol)
    page = as_carol.get(REPORTS, {"state": "resolved"}).content.decode()
    assert "Resolved by carol" in page
    assert f'formaction="{reopen(report)}' in page
    assert "1 report was reopened" in said(as_carol.post(reopen(report), follow=True))
    report.refresh_from_db()
    assert (report.resolved, report.resolver) == (None, None)


def test_reports_are_reopened_in_bulk(as_carol, carol):
    reports = [a_report(), a_report()]
    for report in reports:
        report.resolve(carol)
    response = as_carol.post(
        REPORTS + "?state=resolved",
        {"action": "reopen_selected", "_selected_action": [report.pk for report in reports], "index": "0"},
        follow=True,
    )
    assert "2 reports were reopened" in said(response)
    assert rows(as_carol.get(REPORTS)) == reports


def test_the_second_curator_sees_who_resolved_the_report_first(as_carol, alice):
    report = a_report()
    report.resolve(alice)
    assert "alice has already resolved this report" in said(as_carol.post(resolve(report), follow=True))
    report.refresh_from_db()
    assert report.resolver == alice


def test_a_get_request_decides_nothing(as_carol):
    report = a_report()
    for address in (resolve(report), reopen(report)):
        assert as_carol.get(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    report.refresh_from_db()
    assert report.resolved is None


def test_a_decision_from_another_site_is_refused(carol):
    client = Client(enforce_csrf_checks=True)
    client.force_login(carol)
    report = a_report()
    assert client.post(resolve(report)).status_code == HTTPStatus.FORBIDDEN
    report.refresh_from_db()
    assert report.resolved is None


# Permissions


def test_staff_with_view_permission_decide_nothing(client):
    log_in_staff(client, "view_report", "view_image")
    report = a_report()
    page = client.get(REPORTS).content.decode()
    assert "formaction" not in page
    for data in ({}, {"hide": "1"}):
        assert client.post(resolve(report), data).status_code == HTTPStatus.FORBIDDEN
    assert client.post(reopen(report)).status_code == HTTPStatus.FORBIDDEN
    act(client, "hide_selected", report)
    act(client, "resolve_selected", report)
    report.refresh_from_db()
    assert (report.resolved, report.image.hidden) == (None, False)


def test_without_permission_to_change_pictures_reports_can_be_resolved_but_nothing_hidden(client):
    log_in_staff(client, "view_report", "change_report")
    report = a_report()
    page = client.get(REPORTS).content.decode()
    assert "Hide and resolve" not in page
    assert client.post(resolve(report), {"hide": "1"}).status_code == HTTPStatus.FORBIDDEN
    act(client, "hide_selected", report)
    report.refresh_from_db()
    assert (report.resolved, report.image.hidden) == (None, False)
    client.post(resolve(report))
    report.refresh_from_db()
    assert report.resolved


# The overview


def test_the_overview_shows_the_number_of_pending_reports(as_carol, carol):
    assert "wait" not in as_carol.get("/admin/").content.decode()
    a_report()
    a_report()
    a_report().resolve(carol)
    page = as_carol.get("/admin/").content.decode()
    assert "2 reports waiting for a curator" in page
    assert "Reports (2 pending)" in page


def test_the_overview_hides_reports_without_permission_to_view_them(client):
    log_in_staff(client, "view_image")
    a_report()
    page = client.get("/admin/").content.decode()
    assert "Images" in page
    assert "wait" not in page


def test_the_overview_links_to_all_pending_work(as_carol, client):
    tag = VocabularyTag.objects.create(name="star", phrase="a star")
    for _number in range(2):
        TagSuggestion.objects.create(tag=tag, image=an_image(), similarity=0.5)
    DuplicatePair.objects.create(first=an_image(), second=an_image(), kind="same")
    page = as_carol.get("/admin/").content.decode()
    for told in ("1 group of duplicates waiting", "2 suggested tags waiting", ">History<", ">Trash<", ">State<"):
        assert told in page
    log_in_staff(client, "view_report")
    assert "Duplicates" not in client.get("/admin/").content.decode()
