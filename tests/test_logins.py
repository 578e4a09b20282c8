"""Guessing passwords is counted, at the pages and the admin alike; whoever knows theirs gets in all the same."""

from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.test import Client

from imagesearch.rate_settings import Rate
from search.models import ApiToken
from tests.base import an_image

pytestmark = pytest.mark.django_db

LOGIN, ADMIN = "/accounts/login/", "/admin/login/"
RIGHT = "alice's secret"
NEW = "correct horse battery"
HOUR = 3600


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.LIMITS = {
        "LOGINS": (Rate(3, 60),),
        "LOGINS_BY_ADDRESS": (Rate(6, HOUR),),
        "LOGINS_BY_NAME": (Rate(9, 60),),
    }


def at(address: str) -> Client:
    return Client(REMOTE_ADDR=address)


def guess(client: Client, password: str = "wrong", name: str = "alice", page: str = LOGIN) -> Any:
    return client.post(page, {"username": name, "password": password})


def statuses(client: Client, times: int, **options: str) -> list[int]:
    return [guess(client, **options).status_code for _ in range(times)]


def test_guesses_at_the_pages_and_at_the_admin_are_one_count(alice: User):
    assert [*statuses(at("192.0.2.1"), 2), *statuses(at("192.0.2.1"), 2, page=ADMIN)] == [200, 200, 200, 429]
    answer = guess(at("192.0.2.1"))
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 61
    assert "Too many failed login attempts." in answer.text


def test_the_right_password_is_not_tried_either_by_who_is_refused(alice: User):
    statuses(at("192.0.2.1"), 3)
    assert guess(at("192.0.2.1"), RIGHT).status_code == 429


def test_the_owner_gets_in_while_others_guess_elsewhere(alice: User):
    statuses(at("192.0.2.1"), 20)
    assert guess(at("192.0.2.2"), RIGHT).status_code == 302


def test_spellings_of_one_name_are_one(alice: User):
    names = ("alice", "Alice", "ALICE", "ａｌｉｃｅ")
    assert [guess(at("192.0.2.1"), name=name).status_code for name in names] == [200, 200, 200, 429]


def test_one_address_does_not_try_name_after_name(alice: User):
    assert [guess(at("192.0.2.1"), name=f"user{n}").status_code for n in range(7)] == [200] * 6 + [429]
    assert guess(at("192.0.2.2"), name="user7").status_code == 200


def test_right_passwords_do_not_count(alice: User):
    for _ in range(8):
        assert guess(at("192.0.2.1"), RIGHT).status_code == 302


def test_a_name_that_the_whole_world_guesses_waits_for_a_minute_alone(alice: User):
    for number in range(9):
        guess(at(f"192.0.2.{number}"))
    answer = guess(at("192.0.2.77"), RIGHT)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) <= 61


def test_the_owner_gets_in_from_a_browser_that_is_known_whoever_guesses(alice: User):
    known = at("198.51.100.1")
    assert guess(known, RIGHT).status_code == 302
    known.post("/accounts/logout/")
    for number in range(12):
        guess(at(f"192.0.2.{number}"))
    assert guess(known, RIGHT).status_code == 302


def test_the_owner_gets_in_from_a_known_browser_behind_the_address_of_who_guesses(alice: User):
    known = at("198.51.100.1")
    assert guess(known, RIGHT).status_code == 302
    known.post("/accounts/logout/")
    for number in range(8):
        guess(at("198.51.100.1"), name=f"user{number}")
    assert guess(known, RIGHT).status_code == 302


def test_a_known_browser_guesses_no_longer_than_others(alice: User):
    known = at("198.51.100.1")
    guess(known, RIGHT)
    known.post("/accounts/logout/")
    assert statuses(known, 4) == [200, 200, 200, 429]


def test_a_browser_known_to_somebody_else_is_not_known(alice: User):
    User.objects.create_user("mallory", password=RIGHT)
    known = at("198.51.100.1")
    guess(known, RIGHT, name="mallory")
    known.post("/accounts/logout/")
    for number in range(9):
        guess(at(f"192.0.2.{number}"))
    assert guess(known, RIGHT).status_code == 429


def test_the_old_password_is_counted_where_a_new_one_is_chosen(as_alice: Client):
    form = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    answers = [as_alice.post("/accounts/password/", form).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert guess(Client()).status_code == 429


def test_the_admin_has_no_other_page_for_that(as_carol: Client):
    assert as_carol.get("/admin/password_change/")["Location"] == "/accounts/password/"


def test_who_may_not_curate_is_told_so_at_the_admin(as_alice: Client):
    assert as_alice.get("/admin/", follow=True).status_code == 403


def test_curators_log_in_at_the_admin(carol: User):
    answer = guess(Client(), "carol's secret", "carol", ADMIN)
    assert answer["Location"] == "/admin/"


def test_a_session_of_an_older_version_goes_on(alice: User):
    client = Client()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert "alice" in client.get("/").text


def test_a_password_is_hashed_once_a_try(alice: User, monkeypatch: pytest.MonkeyPatch):
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda self, *args: hashed.append("") or encode(self, *args))
    for name, password in (("alice", "wrong"), ("nobody", "wrong"), ("alice", RIGHT)):
        hashed.clear()
        guess(Client(), password, name)
        assert len(hashed) == 1, name


# What ends with a password


def change_own(alice: User, as_alice: Client) -> None:
    form = {"old_password": RIGHT, "new_password1": NEW, "new_password2": NEW}
    assert as_alice.post("/accounts/password/", form).status_code == 302


def change_by_admin(alice: User, as_alice: Client) -> None:
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss"))
    form = {"usable_password": "true", "password1": NEW, "password2": NEW}
    assert boss.post(f"/admin/auth/user/{alice.pk}/password/", form).status_code == 302


def disable_by_admin(alice: User, as_alice: Client) -> None:
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss"))
    answer = boss.post(f"/admin/auth/user/{alice.pk}/password/", {"usable_password": "false", "unset-password": "1"})
    assert answer.status_code == 302


def change_by_command(alice: User, as_alice: Client) -> None:
    user = User.objects.get(pk=alice.pk)  # as `manage.py changepassword` does
    user.set_password(NEW)
    user.save()


@pytest.mark.parametrize("change", [change_own, change_by_admin, disable_by_admin, change_by_command])
def test_sessions_elsewhere_and_tokens_end_with_the_password(alice: User, as_alice: Client, change):
    elsewhere = Client()
    elsewhere.force_login(alice)
    _token, secret = ApiToken.issue(alice, "script")

    change(alice, as_alice)

    assert "alice" not in elsewhere.get("/").text
    answer = elsewhere.get("/api/search", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 401
    assert ("alice" in as_alice.get("/").text) == (change is change_own)


def test_tokens_stay_where_a_password_is_only_hashed_anew(alice: User, settings):
    _token, secret = ApiToken.issue(alice, "script")
    settings.PASSWORD_HASHERS = ["tests.test_logins.Better", *settings.PASSWORD_HASHERS]
    assert guess(Client(), RIGHT).status_code == 302
    assert User.objects.get().password.startswith("better")
    assert ApiToken.of_secret(secret)


def test_tokens_stay_where_something_else_of_an_account_is_changed(alice: User):
    _token, secret = ApiToken.issue(alice, "script")
    alice.email = "alice@example.org"
    alice.save()
    assert ApiToken.of_secret(secret)


def test_who_is_deactivated_is_out_at_once(alice: User, as_alice: Client):
    _token, secret = ApiToken.issue(alice, "script")
    User.objects.update(is_active=False)
    assert "alice" not in as_alice.get("/").text
    image = an_image(hidden=False)
    answer = Client().get(f"/api/images/{image.id}", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 401


class Better:
    """Another way to hash, which is preferred."""

    algorithm = "better"

    def salt(self) -> str:
        return "salt"

    def encode(self, password: str, salt: str) -> str:
        return f"better${salt}${password}"

    def verify(self, password: str, encoded: str) -> bool:
        return encoded == self.encode(password, "salt")

    def must_update(self, encoded: str) -> bool:
        return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        return None
