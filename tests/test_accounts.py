"""Sign up, log in, log out."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db

SECRET = "correct horse battery"


def sign_up(client: Client, **changes: str):
    return client.post("/accounts/sign-up/", {"username": "bob", "password1": SECRET, "password2": SECRET, **changes})


def test_signing_up_logs_in(client: Client):
    assert sign_up(client)["Location"] == "/"
    assert "bob" in client.get("/").text
    assert not User.objects.get().is_staff


@pytest.mark.parametrize(
    "wrong",
    [{"password2": "another"}, {"password1": "1234", "password2": "1234"}, {"username": ""}, {"username": "a\0b"}],
)
def test_an_invalid_sign_up_is_refused(client: Client, wrong: dict[str, str]):
    assert sign_up(client, **wrong).status_code == 400
    assert not User.objects.exists()


def test_a_taken_user_name_is_refused(client: Client, alice: User):
    assert sign_up(client, username="alice").status_code == 400


def test_sign_up_can_be_switched_off(client: Client, settings):
    settings.SIGN_UP = "off"
    assert client.get("/accounts/sign-up/").status_code == 404
    assert sign_up(client).status_code == 404
    assert "/accounts/sign-up/" not in client.get("/accounts/login/").text


def log_in(client: Client, **changes: str):
    return client.post("/accounts/login/", {"username": "alice", "password": "alice's secret", **changes})


def test_a_login_lasts_as_long_as_the_browser_is_open(client: Client, alice: User):
    assert log_in(client).status_code == 302
    assert client.session.get_expire_at_browser_close()


def test_remember_me_keeps_the_login_for_two_weeks(client: Client, alice: User):
    response = log_in(client, remember="on")
    assert not client.session.get_expire_at_browser_close()
    assert response.cookies["sessionid"]["max-age"] == 14 * 24 * 3600


def test_a_wrong_password_shows_an_error(client: Client, alice: User):
    response = log_in(client, password="wrong")
    assert response.status_code == 200
    assert 'role="alert"' in response.text
    assert "_auth_user_id" not in client.session


def test_login_redirects_to_the_requested_page(client: Client, alice: User):
    assert log_in(client, next="/upload/")["Location"] == "/upload/"


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_login_and_sign_up_never_redirect_to_another_site(client: Client, alice: User, address: str):
    assert log_in(client, next=address)["Location"] == "/"
    assert sign_up(Client(), next=address)["Location"] == "/"


def test_logout_needs_a_post(as_alice: Client):
    assert as_alice.get("/accounts/logout/").status_code == 405
    as_alice.post("/accounts/logout/")
    assert "_auth_user_id" not in as_alice.session


def test_a_password_can_be_changed(as_alice: Client, alice: User):
    response = as_alice.post(
        "/accounts/password/", {"old_password": "alice's secret", "new_password1": SECRET, "new_password2": SECRET}
    )
    assert response.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(SECRET)


def test_an_unknown_next_page_is_not_an_error(client: Client, alice: User):
    assert sign_up(client, next="foo").status_code == 302
    assert client.get("/accounts/login/?next=/accounts/login/")["Location"] == "/"
