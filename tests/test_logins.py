"""Password guesses are counted, for the pages and the admin together; the owner of an account can still log in."""

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


def client_at(address: str) -> Client:
    return Client(REMOTE_ADDR=address)


def guess(client: Client, password: str = "wrong", name: str = "alice", page: str = LOGIN) -> Any:
    return client.post(page, {"username": name, "password": password})


def statuses(client: Client, times: int, **options: str) -> list[int]:
    return [guess(client, **options).status_code for _ in range(times)]


def test_guesses_at_the_pages_and_at_the_admin_are_counted_together(alice: User):
    assert [*statuses(client_at("192.0.2.1"), 2), *statuses(client_at("192.0.2.1"), 2, page=ADMIN)] == [
        200,
        200,
        200,
        429,
    ]
    answer = guess(client_at("192.0.2.1"))
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 61
    assert "Too many failed login attempts." in answer.text


def test_a_refused_client_can_not_log_in_with_the_right_password_either(alice: User):
    statuses(client_at("192.0.2.1"), 3)
    assert guess(client_at("192.0.2.1"), RIGHT).status_code == 429


def test_the_owner_logs_in_while_others_guess_from_another_address(alice: User):
    statuses(client_at("192.0.2.1"), 20)
    assert guess(client_at("192.0.2.2"), RIGHT).status_code == 302


def test_spellings_of_one_name_are_counted_together(alice: User):
    names = ("alice", "Alice", "ALICE", "ａｌｉｃｅ")
    assert [guess(client_at("192.0.2.1"), name=name).status_code for name in names] == [200, 200, 200, 429]


def test_one_address_can_not_try_many_names(alice: User):
    assert [guess(client_at("192.0.2.1"), name=f"user{n}").status_code for n in range(7)] == [200] * 6 + [429]
    assert guess(client_at("192.0.2.2"), name="user7").status_code == 200


def test_successful_logins_are_not_counted(alice: User):
    for _ in range(8):
        assert guess(client_at("192.0.2.1"), RIGHT).status_code == 302


def test_a_name_guessed_from_many_addresses_waits_a_minute_at_most(alice: User):
    for number in range(9):
        guess(client_at(f"192.0.2.{number}"))
    answer = guess(client_at("192.0.2.77"), RIGHT)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) <= 61


def test_the_owner_logs_in_from_a_known_browser_while_others_guess(alice: User):
    known = client_at("198.51.100.1")
    assert guess(known, RIGHT).status_code == 302
    known.post("/accounts/logout/")
    for number in range(12):
        guess(client_at(f"192.0.2.{number}"))
    assert guess(known, RIGHT).status_code == 302


def test_the_owner_logs_in_from_a_known_browser_at_the_address_of_the_attacker(alice: User):
    known = client_at("198.51.100.1")
    assert guess(known, RIGHT).status_code == 302
    known.post("/accounts/logout/")
    for number in range(8):
        guess(client_at("198.51.100.1"), name=f"user{number}")
    assert guess(known, RIGHT).status_code == 302


def test_a_known_browser_has_the_same_number_of_guesses(alice: User):
    known = client_at("198.51.100.1")
    guess(known, RIGHT)
    known.post("/accounts/logout/")
    assert statuses(known, 4) == [200, 200, 200, 429]


def test_a_browser_known_for_another_account_is_not_known(alice: User):
    User.objects.create_user("mallory", password=RIGHT)
    known = client_at("198.51.100.1")
    guess(known, RIGHT, name="mallory")
    known.post("/accounts/logout/")
    for number in range(9):
        guess(client_at(f"192.0.2.{number}"))
    assert guess(known, RIGHT).status_code == 429


def test_guesses_of_the_old_password_are_counted_at_the_change_of_password(as_alice: Client):
    form = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    answers = [as_alice.post("/accounts/password/", form).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert guess(Client()).status_code == 429


def test_the_admin_redirects_to_that_page(as_carol: Client):
    assert as_carol.get("/admin/password_change/")["Location"] == "/accounts/password/"


def test_the_admin_refuses_users_who_may_not_curate(as_alice: Client):
    assert as_alice.get("/admin/", follow=True).status_code == 403


def test_curators_log_in_at_the_admin(carol: User):
    answer = guess(Client(), "carol's secret", "carol", ADMIN)
    assert answer["Location"] == "/admin/"


def test_a_session_of_an_older_version_stays_valid(alice: User):
    client = Client()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert "alice" in client.get("/").text


def test_a_password_is_hashed_once_per_try(alice: User, monkeypatch: pytest.MonkeyPatch):
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda self, *args: hashed.append("") or encode(self, *args))
    for name, password in (("alice", "wrong"), ("nobody", "wrong"), ("alice", RIGHT)):
        hashed.clear()
        guess(Client(), password, name)
        assert len(hashed) == 1, name


# What a change of password revokes


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
def test_other_sessions_and_tokens_end_with_the_password(alice: User, as_alice: Client, change):
    elsewhere = Client()
    elsewhere.force_login(alice)
    _token, secret = ApiToken.issue(alice, "script")

    change(alice, as_alice)

    assert "alice" not in elsewhere.get("/").text
    answer = elsewhere.get("/api/search", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 401
    assert ("alice" in as_alice.get("/").text) == (change is change_own)


def test_tokens_stay_valid_after_a_rehash_of_the_password(alice: User, settings):
    _token, secret = ApiToken.issue(alice, "script")
    settings.PASSWORD_HASHERS = ["tests.test_logins.PreferredHasher", *settings.PASSWORD_HASHERS]
    assert guess(Client(), RIGHT).status_code == 302
    assert User.objects.get().password.startswith("better")
    assert ApiToken.of_secret(secret)


def test_tokens_stay_valid_after_another_change_of_the_account(alice: User):
    _token, secret = ApiToken.issue(alice, "script")
    alice.email = "alice@example.org"
    alice.save()
    assert ApiToken.of_secret(secret)


def test_a_deactivated_user_loses_access_at_once(alice: User, as_alice: Client):
    _token, secret = ApiToken.issue(alice, "script")
    User.objects.update(is_active=False)
    assert "alice" not in as_alice.get("/").text
    image = an_image(hidden=False)
    answer = Client().get(f"/api/images/{image.id}", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 401


class PreferredHasher:
    """A preferred hasher."""

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
