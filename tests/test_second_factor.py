"""Two-factor login: set up, required by the pages and the admin alike, and removed."""

import re
import time
from base64 import b32decode
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from imagesearch.rate_settings import Rate
from search.accounts import second_factor
from search.models import ApiToken

pytestmark = pytest.mark.django_db

PAGE, CODE = "/account/second-factor/", "/accounts/login/code/"
SECRET = "carol's secret"


def code_of(key: str, later: int = 0) -> str:
    """The code that an app shows, `later` half minutes from now."""
    return f"{totp(bytes.fromhex(key), t0=-30 * later):06d}"


@pytest.fixture
def key(carol: User) -> str:
    """Carol set it up a while ago."""
    key = second_factor.new_key()
    second_factor.set_up(carol, key, code_of(key))
    TOTPDevice.objects.update(last_t=int(time.time()) // 30 - 9)
    return key


def log_in(client: Client, page: str = "/accounts/login/", **fields: str) -> Any:
    return client.post(page, {"username": "carol", "password": SECRET, **fields})


def is_logged_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_it_is_set_up_with_a_code_and_the_password(as_carol: Client, carol: User):
    page = as_carol.get(PAGE).text
    assert 'src="data:image/svg+xml' in page
    key = b32decode(re.search(r'class="key">([A-Z2-7 ]+)<', page)[1].replace(" ", "")).hex()  # type: ignore[index]
    elsewhere = Client()
    elsewhere.force_login(carol)
    _token, secret = ApiToken.issue(carol, "script")

    refused = as_carol.post(PAGE, {"code": "000000", "password": SECRET})
    assert refused.status_code == 400
    assert not second_factor.has_one(carol)
    assert as_carol.post(PAGE, {"code": code_of(key), "password": "wrong"}).status_code == 400
    assert not second_factor.has_one(carol)

    done = as_carol.post(PAGE, {"code": code_of(key), "password": SECRET})

    assert second_factor.has_one(carol)
    assert len(re.findall(r"<code>[a-z2-7-]{19}</code>", done.text)) == second_factor.RECOVERY_CODES
    assert is_logged_in(as_carol)
    assert "carol" in as_carol.get("/").text
    assert "carol" not in elsewhere.get("/").text
    assert ApiToken.of_secret(secret)


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_the_password_alone_does_not_log_in(carol: User, key: str, page: str):
    client = Client()
    answer = log_in(client, page, next="/admin/")
    assert answer["Location"] == f"{CODE}?next=%2Fadmin%2F"
    assert not is_logged_in(client)
    assert client.get("/admin/").status_code == 302

    answer = client.post(answer["Location"], {"code": code_of(key)})

    assert answer["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_remember_me_is_kept_through_the_code_page(carol: User, key: str):
    client = Client()
    log_in(client, remember="on")
    answer = client.post(CODE, {"code": code_of(key)})
    assert answer.cookies["sessionid"]["max-age"] == 14 * 24 * 3600
    other = Client()
    log_in(other)
    other.post(CODE, {"code": code_of(key, 1)})
    assert other.session.get_expire_at_browser_close()


def test_a_code_works_once(carol: User, key: str):
    code, first, second = code_of(key), Client(), Client()
    for client in (first, second):
        log_in(client)
    assert first.post(CODE, {"code": f"{code[:3]} {code[3:]}"}).status_code == 302
    assert second.post(CODE, {"code": code}).status_code == 400
    assert not is_logged_in(second)


def test_a_recovery_code_works_once_in_any_spelling(carol: User):
    key = second_factor.new_key()
    codes = second_factor.set_up(carol, key, code_of(key))
    assert not StaticToken.objects.filter(token__in=codes).exists()
    for expected in (302, 400):
        client = Client()
        log_in(client)
        assert client.post(CODE, {"code": codes[0].upper().replace("-", " ")}).status_code == expected
    assert second_factor.recovery_codes_left(carol) == second_factor.RECOVERY_CODES - 1


@pytest.mark.parametrize("code", ["", "000000", "-1", "９９９９９９", "9" * 40, "x", "٠٠٠٠٠٠", "a" * 41])
def test_an_invalid_code_is_reported(carol: User, key: str, code: str):
    client = Client()
    log_in(client)
    answer = client.post(CODE, {"code": code})
    assert answer.status_code == 400
    assert "errorlist" in answer.text
    assert not is_logged_in(client)


def test_wrong_codes_are_counted_by_account(carol: User, key: str, settings):
    settings.LIMITS = {"CODES": (Rate(2, 60),)}
    answers = []
    for number in range(3):
        client = Client(REMOTE_ADDR=f"192.0.2.{number}")
        log_in(client)
        answers.append(client.post(CODE, {"code": "000000"}))
    assert [one.status_code for one in answers] == [400, 400, 429]
    assert "Too many wrong codes." in answers[-1].text
    assert answers[-1]["Retry-After"]


def test_a_code_without_a_password_leads_to_the_login(client: Client, key: str):
    assert client.post(CODE, {"code": code_of(key)})["Location"] == "/accounts/login/?next=%2F"


def test_a_password_changed_before_the_code_must_be_entered_again(carol: User, key: str):
    client = Client()
    log_in(client)
    carol.set_password("another one, and long")
    carol.save()
    assert client.post(CODE, {"code": code_of(key)})["Location"].startswith("/accounts/login/")


def test_a_code_must_be_entered_within_ten_minutes(carol: User, key: str, monkeypatch: pytest.MonkeyPatch):
    client = Client()
    log_in(client)
    now = time.time()
    monkeypatch.setattr(second_factor.time, "time", lambda: now + second_factor._PATIENCE + 1)
    assert client.get(CODE)["Location"].startswith("/accounts/login/")


def test_the_code_page_redirects_to_no_other_site(carol: User, key: str):
    client = Client()
    log_in(client)
    answer = client.post(f"{CODE}?next=//evil.example", {"code": code_of(key)})
    assert answer["Location"] == "/"


def test_an_unknown_next_page_is_no_error(as_carol: Client):
    assert as_carol.get(f"{CODE}?next=foo").status_code == 302


def test_it_is_removed_with_the_password(as_carol: Client, carol: User, key: str):
    assert as_carol.post(PAGE, {"what": "remove", "password": "wrong"}).status_code == 400
    assert second_factor.has_one(carol)
    assert as_carol.post(PAGE, {"what": "remove", "password": SECRET})["Location"] == "/account/"
    client = Client()
    log_in(client)
    assert is_logged_in(client)


def test_new_recovery_codes_replace_the_old_ones(as_carol: Client, carol: User):
    key = second_factor.new_key()
    old = second_factor.set_up(carol, key, code_of(key))
    page = as_carol.post(PAGE, {"what": "renew", "password": SECRET}).text
    new = re.findall(r"<code>([a-z2-7-]{19})</code>", page)
    assert not set(old) & set(new)
    assert not second_factor.is_right(carol, old[0])
    assert second_factor.is_right(carol, new[0])


def test_an_operator_removes_it(carol: User, key: str, capsys: pytest.CaptureFixture[str]):
    call_command("remove_second_factor", "carol")
    assert not second_factor.has_one(carol)
    call_command("remove_second_factor", "carol")
    assert capsys.readouterr().out.splitlines() == [
        "carol can now log in with the password only.",
        "carol has no two-factor login.",
    ]
    with pytest.raises(CommandError, match="no account “nobody”"):
        call_command("remove_second_factor", "nobody")


def test_if_it_is_required_curators_must_set_it_up_first(carol: User, settings):
    settings.REQUIRE_SECOND_FACTOR = True
    client = Client()
    assert log_in(client, "/admin/login/", next="/admin/")["Location"] == PAGE
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == PAGE
    assert client.post("/admin/search/image/", {}).status_code == 302
    key = client.session.get("second_factor_key") or (client.get(PAGE) and client.session["second_factor_key"])
    client.post(PAGE, {"code": code_of(key), "password": SECRET})
    assert client.get("/admin/").status_code == 200


def test_if_it_is_required_other_users_are_not_asked(alice: User, settings):
    settings.REQUIRE_SECOND_FACTOR = True
    client = Client()
    assert log_in(client, username="alice", password="alice's secret")["Location"] == "/"


def test_the_admin_does_not_show_the_keys(admin_client: Client, key: str):
    assert "otp" not in admin_client.get("/admin/").text
    assert admin_client.get("/admin/otp_totp/totpdevice/").status_code == 404
