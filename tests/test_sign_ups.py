"""Who may make an account: nobody where strangers come, or whom a curator lets in; and mails about it."""

import datetime as dt
import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import get_script_prefix, set_script_prefix
from django.utils import timezone
from django.utils.translation import get_language, override

from imagesearch.exposure import is_exposed
from imagesearch.exposure import sign_up as read_sign_up
from imagesearch.mail import mail_settings, sender
from search.accounts import mailing
from search.models import SignUp
from search.models.sign_ups import FORGOTTEN_AFTER

pytestmark = pytest.mark.django_db

SEND_LATER = mailing.later
SECRET = "correct horse battery"
QUEUE = "/admin/search/signup/"


@pytest.fixture(autouse=True)
def _mail(settings, monkeypatch: pytest.MonkeyPatch):
    """Mails are sent at once, within the test's own transaction."""
    settings.SENDS_MAIL = True
    monkeypatch.setattr(mailing, "later", lambda work: work())
    monkeypatch.setattr("search.views.passwords.later", lambda work: work())


@pytest.fixture
def approval(settings) -> None:
    settings.SIGN_UP = "approval"


def sign_up(client: Client | None = None, **changes: str) -> Any:
    form = {"username": "bob", "password1": SECRET, "password2": SECRET, "email": "bob@example.org", **changes}
    return (client or Client()).post("/accounts/sign-up/", form)


def decide(client: Client, action: str) -> Any:
    keys = [str(one.pk) for one in SignUp.objects.all()]
    return client.post(QUEUE, {"action": action, "_selected_action": keys}, follow=True)


def log_in(name: str = "bob", password: str = SECRET) -> Any:
    return Client().post("/accounts/login/", {"username": name, "password": password})


# Who may


@pytest.mark.parametrize(
    ("hosts", "debug", "https", "come"),
    [
        (["localhost", "127.0.0.1", "[::1]"], True, False, False),
        (["localhost", "127.0.0.2"], True, False, False),
        (["localhost"], False, False, True),
        (["localhost"], True, True, True),
        (["localhost", "pictures.example.org"], True, False, True),
        (["*"], True, False, True),
    ],
)
def test_strangers_come_where_others_reach_the_site(hosts: list[str], debug: bool, https: bool, come: bool):
    assert is_exposed(hosts, debug, https) is come


@pytest.mark.parametrize(
    ("written", "meant"),
    [("", "off"), ("on", "on"), ("yes", "on"), ("off", "off"), ("0", "off"), ("approval", "approval")],
)
def test_sign_up_reads_as_it_is_written(monkeypatch: pytest.MonkeyPatch, written: str, meant: str):
    monkeypatch.setenv("X_OPEN", written)
    assert read_sign_up("X_OPEN", default="off") == meant


def test_a_word_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("X_OPEN", "maybe")
    with pytest.raises(ImproperlyConfigured, match="on, approval, off"):
        read_sign_up("X_OPEN", default="off")


# The queue


def test_a_new_account_waits_and_can_not_be_used(approval: None):
    answer = sign_up()
    assert answer.status_code == 200
    assert "Your account is waiting for approval by a curator" in answer.text
    assert "_auth_user_id" not in answer.client.session
    assert not User.objects.get().is_active
    told = log_in()
    assert "a curator may not have approved your account yet" in told.text
    # And no more about who waits than about who is not there.
    assert "a curator may not have approved your account yet" in log_in("nobody").text


def test_a_curator_lets_somebody_in(approval: None, as_carol: Client):
    sign_up(Client(headers={"accept-language": "ko"}))
    assert "1 sign-up waiting for a curator" in as_carol.get("/admin/").text
    assert "bob@example.org" in as_carol.get(QUEUE).text

    assert "1 account was approved." in decide(as_carol, "approve_selected").text

    assert log_in().status_code == 302
    assert not SignUp.objects.exists()
    assert mail.outbox[0].to == ["bob@example.org"]
    assert mail.outbox[0].subject == "계정이 승인되었습니다"
    assert "http://testserver/accounts/login/" in mail.outbox[0].body


def test_a_curator_refuses_somebody(approval: None, as_carol: Client):
    sign_up()
    assert "1 sign-up was rejected." in decide(as_carol, "refuse_selected").text
    assert not User.objects.filter(username="bob").exists()
    assert mail.outbox[0].subject == "Your account was not approved"


def test_others_do_not_decide(approval: None, carol: User):
    sign_up()
    carol.user_permissions.remove(*carol.user_permissions.filter(codename="change_signup"))
    client = Client()
    client.force_login(carol)
    decide(client, "approve_selected")
    assert not User.objects.get(username="bob").is_active


def test_who_is_let_in_otherwise_waits_no_more(approval: None, as_carol: Client):
    sign_up()
    User.objects.filter(username="bob").update(is_active=True)
    assert "bob" not in as_carol.get(QUEUE).text
    decide(as_carol, "refuse_selected")
    assert User.objects.filter(username="bob").exists()


def test_nobody_waits_for_ever(approval: None):
    sign_up()
    sign_up(username="eve")
    SignUp.objects.filter(user__username="bob").update(
        created=timezone.now() - FORGOTTEN_AFTER - dt.timedelta(hours=1)
    )
    SignUp.forget_old()
    assert [user.username for user in User.objects.all()] == ["eve"]


def test_only_so_many_wait(approval: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("search.views.accounts.MOST_WAITING", 1)
    assert sign_up().status_code == 200
    assert sign_up(username="eve").status_code == 503
    assert User.objects.count() == 1


def test_no_address_is_asked_for_where_no_mail_is_sent(settings, client: Client):
    settings.SENDS_MAIL = False
    assert 'name="email"' not in client.get("/accounts/sign-up/").text
    assert sign_up(client).status_code == 302
    assert User.objects.get().email == ""


# Forgotten passwords


@pytest.fixture
def bob(db) -> User:
    return User.objects.create_user("bob", "bob@example.org", SECRET)


def link() -> str:
    return re.search(r"http://testserver(/accounts/reset/\S+)", mail.outbox[-1].body)[1]  # type: ignore[index]


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(bob: User, client: Client):
    client.post("/accounts/reset/", {"email": "BOB@example.org"})
    assert mail.outbox[0].subject == "A new password"
    form = client.get(link(), follow=True)
    page = form.redirect_chain[-1][0]

    answer = client.post(page, {"new_password1": "another good one", "new_password2": "another good one"})

    assert answer["Location"] == "/accounts/login/"
    assert log_in(password="another good one").status_code == 302
    assert "This link no longer works" in Client().get(link(), follow=True).text


def test_the_link_works_for_an_hour(bob: User, client: Client, monkeypatch: pytest.MonkeyPatch):
    client.post("/accounts/reset/", {"email": "bob@example.org"})
    now = dt.datetime.now()  # noqa: DTZ005 - as Django's links count

    def later(seconds: int) -> None:
        then = now + dt.timedelta(seconds=seconds)
        monkeypatch.setattr("django.contrib.auth.tokens.PasswordResetTokenGenerator._now", lambda _self: then)

    later(3500)
    assert "new_password1" in Client().get(link(), follow=True).text
    later(3700)
    assert "This link no longer works" in Client().get(link(), follow=True).text


def test_nothing_tells_whether_there_is_such_an_account(bob: User, client: Client):
    known = client.post("/accounts/reset/", {"email": "bob@example.org"})
    unknown = client.post("/accounts/reset/", {"email": "eve@example.org"})
    assert known.status_code == unknown.status_code == 200
    pages = [re.sub(r'(value=")\w{64}"', "", one.text) for one in (known, unknown)]
    assert pages[0].replace("bob@", "eve@") == pages[1]
    assert [message.to for message in mail.outbox] == [["bob@example.org"]]


def test_the_mail_is_in_the_language_of_the_page(bob: User):
    Client(headers={"accept-language": "ko"}).post("/accounts/reset/", {"email": "bob@example.org"})
    assert mail.outbox[0].subject == "새 비밀번호"
    assert "한 시간 동안 한 번만" in mail.outbox[0].body


def test_who_is_deactivated_gets_no_link(bob: User, client: Client):
    User.objects.update(is_active=False)
    client.post("/accounts/reset/", {"email": "bob@example.org"})
    assert not mail.outbox


def test_one_address_gets_so_many_mails_and_nobody_learns_of_it(bob: User, settings):
    settings.LIMITS = {"PASSWORDS": read_rates("2/hour")}
    answers = [
        Client(REMOTE_ADDR=f"192.0.2.{number}").post("/accounts/reset/", {"email": "bob@example.org"})
        for number in range(4)
    ]
    assert [one.status_code for one in answers] == [200] * 4
    assert len(mail.outbox) == 2


def read_rates(written: str) -> Any:
    from imagesearch.rate_settings import rates

    return rates("NOT_SET", default=written)


def test_without_mail_the_pages_send_people_to_the_operator(settings, client: Client):
    settings.SENDS_MAIL = False
    page = client.get("/accounts/login/").text
    assert "/accounts/reset/" not in page
    assert "Ask the site administrator for a new one." in page
    assert client.get("/accounts/reset/").status_code == 404
    assert client.post("/accounts/reset/", {"email": "bob@example.org"}).status_code == 404


@pytest.mark.parametrize(
    "path", ["/accounts/reset/x/y/", "/accounts/reset/MQ/a-b/", "/accounts/reset/%F0%9F/set-password/"]
)
def test_a_link_that_is_none_is_told(client: Client, path: str):
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    assert "This link no longer works" in answer.text


def test_the_address_is_changed_with_the_password(as_alice: Client, alice: User):
    assert as_alice.post("/account/email/", {"email": "a@example.org", "password": "wrong"}).status_code == 400
    assert as_alice.post("/account/email/", {"email": "no address", "password": "alice's secret"}).status_code == 400
    form = {"email": "a@example.org", "password": "alice's secret"}
    assert as_alice.post("/account/email/", form)["Location"] == "/account/"
    alice.refresh_from_db()
    assert alice.email == "a@example.org"


def test_mails_are_sent_meanwhile_in_the_language_of_the_page_and_below_its_path(caplog: pytest.LogCaptureFixture):
    done, found = threading.Event(), []

    def work() -> None:
        found.append((get_language(), get_script_prefix(), threading.current_thread().name))
        raise ConnectionRefusedError

    set_script_prefix("/pictures/")
    try:
        with override("ko"):
            SEND_LATER(work)
    finally:
        set_script_prefix("/")
    SEND_LATER(done.set)
    assert done.wait(60)
    assert found == [("ko", "/pictures/", "mail_0")]
    assert "A mail could not be sent" in caplog.text


# Settings of mail


@pytest.mark.parametrize(
    ("written", "host", "port", "tls"),
    [
        ("smtp+tls://user:p%40ss@mail.example.org:2587", "mail.example.org", 2587, True),
        ("smtp+tls://mail.example.org", "mail.example.org", 587, True),
        ("smtp://localhost", "localhost", 25, False),
        ("consolemail://", "", 25, False),
    ],
)
def test_the_mail_server_is_read(monkeypatch: pytest.MonkeyPatch, written: str, host: str, port: int, tls: bool):
    monkeypatch.setenv("X_MAIL", written)
    read = mail_settings("X_MAIL")
    assert (read["EMAIL_HOST"], read["EMAIL_PORT"], bool(read.get("EMAIL_USE_TLS"))) == (host, port, tls)


@pytest.mark.parametrize(
    "written", ["mail.example.org", "imap://u:s3cret@h", "smtp://", "smtp://h:x", "smtp://h?timeout=1"]
)
def test_what_is_no_mail_server_stops_the_start(monkeypatch: pytest.MonkeyPatch, written: str):
    monkeypatch.setenv("X_MAIL", written)
    with pytest.raises(ImproperlyConfigured, match="X_MAIL can't be read: write smtp") as told:
        mail_settings("X_MAIL")
    assert "s3cret" not in str(told.value)


def test_a_mail_server_needs_an_address_that_mails_come_from(monkeypatch: pytest.MonkeyPatch):
    server = {"EMAIL_HOST": "mail.example.org"}
    with pytest.raises(ImproperlyConfigured, match="X_FROM is not set"):
        sender("X_FROM", server)
    monkeypatch.setenv("X_FROM", "Pictures")
    with pytest.raises(ImproperlyConfigured, match="write an address alone"):
        sender("X_FROM", server)
