"""Texts that were stored in one language and are read in another: the admin's log, and why files were refused."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.translation import override

from search.containers.errors import Reason, UnreadableImage
from search.curation import Hide, Tag, change
from search.curation.admin_log import log_deletions
from search.models import Report, Run, RunFile, VocabularyTag
from tests.base import an_image

pytestmark = pytest.mark.django_db


def read(client: Client, path: str, language: str) -> str:
    return " ".join(strip_tags(client.get(path, headers={"Accept-Language": language}).text).split())


def recent(client: Client, language: str) -> str:
    return read(client, "/admin/", language).partition({"en": "My actions", "ko": "나의 활동"}[language])[2]


@pytest.mark.parametrize("acted_in", ["en", "ko"])
def test_recent_actions_are_listed_in_the_language_of_the_reader(acted_in, as_carol, carol):
    report = Report.objects.create(image=an_image(""), reason="violent")
    with override(acted_in):
        change([an_image().pk], Tag(["sea: calm"]), by=carol, door="admin")
        change([an_image().pk], Hide(), by=carol, door="admin")
        log_deletions([an_image("").pk, an_image("Lighthouse").pk], by=carol)
        LogEntry.objects.log_actions(carol.pk, [report], CHANGE, [{"changed": {"fields": ["resolved"]}}])
    english, korean = recent(as_carol, "en"), recent(as_carol, "ko")
    for text in ("Tags added: sea: calm", "Hidden", "Untitled picture", "Lighthouse", "Violent: Untitled picture"):
        assert text in english
    for text in ("태그를 붙임: sea: calm", "숨김", "제목 없는 이미지", "Lighthouse", "폭력적임: 제목 없는 이미지"):
        assert text in korean


def test_the_history_of_a_row_names_its_changed_fields_in_the_language_of_the_reader(as_carol):
    tag = VocabularyTag.objects.create(name="sea", english="sea", korean="바다", phrase="the sea")
    page = reverse("admin:search_vocabularytag_change", args=[tag.pk])
    fields = {"name": "sea", "english": "sea", "korean": "바닷가", "phrase": "a photo of the sea", "aliases": ""}
    assert as_carol.post(page, fields, headers={"Accept-Language": "ko"}).status_code == 302
    history = reverse("admin:search_vocabularytag_history", args=[tag.pk])
    assert "Changed Korean name and Phrase for the model." in read(as_carol, history, "en")
    korean = read(as_carol, history, "ko")
    assert "한국어 이름" in korean
    assert "모델에 쓰는 문구" in korean


def test_a_report_and_an_account_say_in_their_history_what_was_decided(as_carol, carol, alice):
    report = Report.objects.create(image=an_image(), reason="violent")
    LogEntry.objects.log_actions(carol.pk, [report], CHANGE, [{"changed": {"fields": ["resolved"]}}])
    LogEntry.objects.log_actions(carol.pk, [alice], CHANGE, "sign-up")
    carol.is_superuser = True
    carol.save()
    assert "Changed state." in read(as_carol, reverse("admin:search_report_history", args=[report.pk]), "en")
    assert "Sign-up approved." in read(as_carol, reverse("admin:auth_user_history", args=[alice.pk]), "en")


def test_why_a_file_was_refused_is_told_in_the_language_of_the_reader(as_carol):
    run = Run.objects.create(outcome="done")
    for name, error in (("a", UnreadableImage(Reason.EMPTY)),
                        ("b", UnreadableImage(Reason.TOO_MANY_BYTES, found="51", limit="40"))):  # fmt: skip
        RunFile.objects.create(run=run, kind="refused", name=name, reason=str(error))
    RunFile.objects.create(run=run, kind="failed", name="c", reason="Permission denied")
    page = read(as_carol, reverse("admin:search_run_change", args=[run.pk]), "ko")
    for text in ("빈 파일입니다.", "51", "40", "Permission denied"):
        assert text in page
    for text in ("This file is empty.", "the limit is"):
        assert text not in page
