"""API tokens: created and revoked on a page, shown once, and what they allow."""

import datetime as dt
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from search.models import ApiToken, Image
from search.models.tokens import MOST_TOKENS, TooManyTokens
from tests.base import an_image, picture_file

pytestmark = pytest.mark.django_db

PAGE = "/account/tokens/"


@pytest.fixture
def token(alice: User) -> str:
    return ApiToken.issue(alice, "laptop")[1]


def bearing(secret: str) -> Client:
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})


def secret_on(page: str) -> str:
    return re.search(r"<code data-secret>(.+?)</code>", page)[1]


# The page of tokens


def test_a_token_is_shown_once(as_alice: Client):
    made = as_alice.post(PAGE, {"name": "laptop"})
    secret = secret_on(made.text)
    assert secret.startswith("pix_")
    assert "no-store" in made["Cache-Control"]
    again = as_alice.get(PAGE).text
    assert "laptop" in again
    assert ApiToken.objects.get().prefix in again
    assert secret not in again


def test_a_token_created_on_the_page_authenticates_api_requests(as_alice: Client, alice: User):
    secret = secret_on(as_alice.post(PAGE, {"name": "laptop"}).text)
    assert bearing(secret).post("/api/images", {"picture": picture_file()}).status_code == 201
    assert Image.objects.get().uploader == alice


def test_only_a_digest_is_stored(token: str):
    row = ApiToken.objects.values().get()
    assert token not in str(row)
    assert len(row["prefix"]) < 12


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\0b"])
def test_a_token_needs_a_valid_name(as_alice: Client, name: str):
    response = as_alice.post(PAGE, {"name": name})
    assert response.status_code == 400
    assert "errorlist" in response.text
    assert not ApiToken.objects.exists()


def test_the_number_of_tokens_per_user_is_limited(as_alice: Client, alice: User):
    for number in range(MOST_TOKENS):
        ApiToken.issue(alice, f"number {number}")
    response = as_alice.post(PAGE, {"name": "one more"})
    assert response.status_code == 400
    assert f"the limit of {MOST_TOKENS} tokens" in response.text
    with pytest.raises(TooManyTokens):
        ApiToken.issue(alice, "another")
    assert ApiToken.objects.count() == MOST_TOKENS


def test_a_revoked_token_is_refused(as_alice: Client, token: str):
    response = as_alice.post(f"{PAGE}{ApiToken.objects.get().pk}/revoke", follow=True)
    assert "“laptop” was revoked" in response.text
    assert bearing(token).get("/api/search").status_code == 401


def test_a_user_can_not_see_or_revoke_tokens_of_others(as_carol: Client, token: str):
    assert as_carol.post(f"{PAGE}{ApiToken.objects.get().pk}/revoke").status_code == 404
    assert "laptop" not in as_carol.get(PAGE).text
    assert ApiToken.objects.exists()


def test_revoking_needs_a_post_and_an_existing_token(as_alice: Client, token: str):
    assert as_alice.get(f"{PAGE}{ApiToken.objects.get().pk}/revoke").status_code == 405
    for number in ("0", "9" * 18, "9" * 40):
        assert as_alice.post(f"{PAGE}{number}/revoke").status_code == 404
    assert ApiToken.objects.exists()


def test_the_page_needs_a_login(client: Client):
    for response in (client.get(PAGE), client.post(PAGE, {"name": "x"}), client.post(f"{PAGE}1/revoke")):
        assert response["Location"].startswith("/accounts/login/?next=")


def test_a_name_with_markup_is_escaped(as_alice: Client):
    assert "<script>alert" not in as_alice.post(PAGE, {"name": "<script>alert(1)</script>"}).text


# What a token allows


@pytest.mark.parametrize("wrong", ["", "pix_", "nonsense", "a b", "\u00e9", "x" * 5000])
@pytest.mark.parametrize("path", ["/api/search", "/api/images/00000000-0000-8000-8000-000000000007"])
def test_an_invalid_token_is_refused_even_if_none_is_needed(wrong: str, path: str):
    response = bearing(wrong).get(path)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert response.json()["type"] == "/api/docs#token_not_valid"


def test_the_bearer_scheme_is_case_insensitive(token: str):
    client = Client(headers={"Authorization": f"bearer {token}"})
    assert client.get("/api/search").status_code == 200


def test_basic_credentials_for_a_proxy_are_not_taken_for_a_token(client: Client):
    assert client.get("/api/search", headers={"Authorization": "Basic YTpi"}).status_code == 200


def test_the_token_of_an_inactive_user_is_refused(token: str, alice: User):
    alice.is_active = False
    alice.save()
    assert bearing(token).get("/api/search").status_code == 401


def test_a_token_takes_precedence_over_a_session(as_carol: Client, token: str, alice: User):
    as_carol.post("/api/images", {"picture": picture_file()}, headers={"Authorization": f"Bearer {token}"})
    assert Image.objects.get().uploader == alice


def test_a_token_has_the_permissions_of_its_user(token: str, carol: User):
    image = an_image(hidden=True)
    curators = bearing(ApiToken.issue(carol, "script")[1])
    assert bearing(token).get(f"/api/images/{image.id}").status_code == 404
    assert curators.get(f"/api/images/{image.id}").json()["hidden"] is True


def test_a_token_does_not_authenticate_pages(token: str):
    assert bearing(token).get(PAGE).status_code == 302


def test_the_last_use_is_stored_at_most_once_an_hour(token: str, django_assert_num_queries):
    bearing(token).get("/api/search")
    first = ApiToken.objects.get().last_used
    assert first > timezone.now() - dt.timedelta(minutes=1)
    with django_assert_num_queries(1):
        ApiToken.of_secret(token)
    ApiToken.objects.update(last_used=timezone.now() - dt.timedelta(hours=2))
    bearing(token).get("/api/search")
    assert ApiToken.objects.get().last_used >= first


def test_tokens_are_deleted_with_their_user(token: str, alice: User):
    alice.delete()
    assert not ApiToken.objects.exists()
