"""Sign-ups: closed on exposed sites, or approved by a curator; and mails about accounts."""

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

from imagesearch.mail import mail_settings, sender
from imagesearch.sign_up_policy import is_exposed
from imagesearch.sign_up_policy import sign_up as read_sign_up
from search.accounts import mailing
from search.models import SignUp
from search.models.sign_ups import FORGOTTEN_AFTER

pytestmark = pytest.mark.django_db

SEND_LATER = mailing.later
SECRET = "correct horse battery"
QUEUE = "/admin/search/signup/"


@pytest.fixture(autouse=True)
def _mail(settings, monkeypatch: pytest.MonkeyPatch):
    """Mails are sent at once, within the transaction of the test."""
    settings.SENDS_MAIL = True
    monkeypatch.setattr(mailing, "later", lambda work: work())
    monkeypatch.setattr("search.views.password_reset.later", lambda work: work())


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


# Who may sign up


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
def test_a_site_is_exposed_if_others_can_reach_it(hosts: list[str], debug: bool, https: bool, come: bool):
    assert is_exposed(hosts, debug, https) is come


@pytest.mark.parametrize(
    ("written", "meant"),
    [("", "off"), ("on", "on"), ("yes", "on"), ("off", "off"), ("0", "off"), ("approval", "approval")],
)
def test_the_setting_is_parsed(monkeypatch: pytest.MonkeyPatch, written: str, meant: str):
    monkeypatch.setenv("X_OPEN", written)
    assert read_sign_up("X_OPEN", default="off") == meant


def test_an_invalid_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("X_OPEN", "maybe")
    with pytest.raises(ImproperlyConfigured, match="on, approval, off"):
        read_sign_up("X_OPEN", default="off")


# The queue of sign-ups


def test_a_new_account_waits_for_approval_and_can_not_log_in(approval: None):
    answer = sign_up()
    assert answer.status_code == 200
    assert "Your account is waiting for approval by a curator" in answer.text
    assert "_auth_user_id" not in answer.client.session
    assert not User.objects.get().is_active
    answer_to_login = log_in()
    assert "a curator may not have approved your account yet" in answer_to_login.text
    # The same text as for an unknown account.
    assert "a curator may not have approved your account yet" in log_in("nobody").text


def test_a_curator_approves_a_sign_up(approval: None, as_carol: Client):
    sign_up(Client(headers={"accept-language": "ko"}))
    assert "1 sign-up waiting for a curator" in as_carol.get("/admin/").text
    assert "bob@example.org" in as_carol.get(QUEUE).text

    assert "1 account was approved." in decide(as_carol, "approve_selected").text

    assert log_in().status_code == 302
    assert not SignUp.objects.exists()
    assert mail.outbox[0].to == ["bob@example.org"]
    assert mail.outbox[0].subject == "계정이 승인되었습니다"
    assert "http://testserver/accounts/login/" in mail.outbox[0].body


def test_a_curator_refuses_a_sign_up(approval: None, as_carol: Client):
    sign_up()
    assert "1 sign-up was rejected." in decide(as_carol, "refuse_selected").text
    assert not User.objects.filter(username="bob").exists()
    assert mail.outbox[0].subject == "Your account was not approved"


def test_users_without_the_permission_can_not_decide(approval: None, carol: User):
    sign_up()
    carol.user_permissions.remove(*carol.user_permissions.filter(codename="change_signup"))
    client = Client()
    client.force_login(carol)
    decide(client, "approve_selected")
    assert not User.objects.get(username="bob").is_active


def test_an_account_activated_elsewhere_leaves_the_queue(approval: None, as_carol: Client):
    sign_up()
    User.objects.filter(username="bob").update(is_active=True)
    assert "bob" not in as_carol.get(QUEUE).text
    decide(as_carol, "refuse_selected")
    assert User.objects.filter(username="bob").exists()


def test_old_sign_ups_are_deleted(approval: None):
    sign_up()
    sign_up(username="eve")
    SignUp.objects.filter(user__username="bob").update(
        created=timezone.now() - FORGOTTEN_AFTER - dt.timedelta(hours=1)
    )
    SignUp.forget_old()
    assert [user.username for user in User.objects.all()] == ["eve"]


def test_the_length_of_the_queue_is_limited(approval: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("search.views.accounts.MOST_WAITING", 1)
    assert sign_up().status_code == 200
    assert sign_up(username="eve").status_code == 503
    assert User.objects.count() == 1


def test_without_mail_no_address_is_asked_for(settings, client: Client):
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


def test_a_reset_link_works_once(bob: User, client: Client):
    client.post("/accounts/reset/", {"email": "BOB@example.org"})
    assert mail.outbox[0].subject == "A new password"
    form = client.get(link(), follow=True)
    page = form.redirect_chain[-1][0]

    answer = client.post(page, {"new_password1": "another good one", "new_password2": "another good one"})

    assert answer["Location"] == "/accounts/login/"
    assert log_in(password="another good one").status_code == 302
    assert "This link no longer works" in Client().get(link(), follow=True).text


def test_a_reset_link_works_for_an_hour(bob: User, client: Client, monkeypatch: pytest.MonkeyPatch):
    client.post("/accounts/reset/", {"email": "bob@example.org"})
    now = dt.datetime.now()  # noqa: DTZ005 - as Django's links count

    def later(seconds: int) -> None:
        then = now + dt.timedelta(seconds=seconds)
        monkeypatch.setattr("django.contrib.auth.tokens.PasswordResetTokenGenerator._now", lambda _self: then)

    later(3500)
    assert "new_password1" in Client().get(link(), follow=True).text
    later(3700)
    assert "This link no longer works" in Client().get(link(), follow=True).text


def test_the_response_does_not_reveal_whether_an_account_exists(bob: User, client: Client):
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


def test_a_deactivated_user_gets_no_link(bob: User, client: Client):
    User.objects.update(is_active=False)
    client.post("/accounts/reset/", {"email": "bob@example.org"})
    assert not mail.outbox


def test_the_number_of_mails_to_an_address_is_limited_without_revealing_it(bob: User, settings):
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


def test_without_mail_the_pages_refer_to_the_operator(settings, client: Client):
    settings.SENDS_MAIL = False
    page = client.get("/accounts/login/").text
    assert "/accounts/reset/" not in page
    assert "Ask the site administrator for a new one." in page
    assert client.get("/accounts/reset/").status_code == 404
    assert client.post("/accounts/reset/", {"email": "bob@example.org"}).status_code == 404


@pytest.mark.parametrize(
    "path", ["/accounts/reset/x/y/", "/accounts/reset/MQ/a-b/", "/accounts/reset/%F0%9F/set-password/"]
)
def test_an_invalid_link_is_reported(client: Client, path: str):
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    assert "This link no longer works" in answer.text


def test_changing_the_address_needs_the_password(as_alice: Client, alice: User):
    assert as_alice.post("/account/email/", {"email": "a@example.org", "password": "wrong"}).status_code == 400
    assert as_alice.post("/account/email/", {"email": "no address", "password": "alice's secret"}).status_code == 400
    form = {"email": "a@example.org", "password": "alice's secret"}
    assert as_alice.post("/account/email/", form)["Location"] == "/account/"
    alice.refresh_from_db()
    assert alice.email == "a@example.org"


def test_mails_are_sent_in_the_background_with_the_language_and_path_of_the_page(caplog: pytest.LogCaptureFixture):
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


# Mail settings


@pytest.mark.parametrize(
    ("written", "host", "port", "tls"),
    [
        ("smtp+tls://user:p%40ss@mail.example.org:2587", "mail.example.org", 2587, True),
        ("smtp+tls://mail.example.org", "mail.example.org", 587, True),
        ("smtp://localhost", "localhost", 25, False),
        ("consolemail://", "", 25, False),
    ],
)
def test_the_mail_server_is_parsed(monkeypatch: pytest.MonkeyPatch, written: str, host: str, port: int, tls: bool):
    monkeypatch.setenv("X_MAIL", written)
    read = mail_settings("X_MAIL")
    assert (read["EMAIL_HOST"], read["EMAIL_PORT"], bool(read.get("EMAIL_USE_TLS"))) == (host, port, tls)


@pytest.mark.parametrize(
    "written",
    [
        "mail.example.org",
        "imap://u:s3cret@h",
        "smtp://",
        "smtp://h:x",
        "smtp://h?timeout=1",
        "smtp://a b",
        "smtp://h/x",
    ],
)
def test_an_invalid_mail_server_stops_the_start(monkeypatch: pytest.MonkeyPatch, written: str):
    monkeypatch.setenv("X_MAIL", written)
    with pytest.raises(ImproperlyConfigured, match="X_MAIL can't be read: write smtp") as answer_to_login:
        mail_settings("X_MAIL")
    assert "s3cret" not in str(answer_to_login.value)


def test_a_mail_server_needs_a_sender_address(monkeypatch: pytest.MonkeyPatch):
    server = {"EMAIL_HOST": "mail.example.org"}
    with pytest.raises(ImproperlyConfigured, match="X_FROM is not set"):
        sender("X_FROM", server)
    monkeypatch.setenv("X_FROM", "Pictures")
    with pytest.raises(ImproperlyConfigured, match="write an address alone"):
        sender("X_FROM", server)
