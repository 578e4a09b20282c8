"""Rate limits: too many requests get 429 with Retry-After; counted across processes, by user or address."""

import datetime as dt
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.utils import timezone

from imagesearch import settings as configured
from imagesearch.rate_settings import Rate, networks, rates
from imagesearch.request_bodies import LOOKED_AT
from search.limits import TooMany, address_of, count, sweeping
from search.limits.messages import advice_of, problem_of
from search.models import ApiToken, QueryPicture, Report, Tally
from search.models.reports import MOST_PENDING
from tests.base import an_image, in_another_thread, picture_file, stored_image

pytestmark = pytest.mark.django_db

KEY = "LIMIT_X"
PROXIES = networks("NOT_SET", ("10.0.0.0/8", "127.0.0.1", "fd00::/8"))


# Settings


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10/minute", (Rate(10, 60),)),
        ("10/minute, 100/day", (Rate(10, 60), Rate(100, 86400))),
        ("5 / 15 minutes", (Rate(5, 900),)),
        ("", (Rate(7, 3600),)),
        ("0", ()),
        ("off", ()),
    ],
)
def test_limits_are_parsed(monkeypatch: pytest.MonkeyPatch, written: str, meant: Any):
    monkeypatch.setenv(KEY, written)
    assert rates(KEY, default="7/hour") == meant


@pytest.mark.parametrize(
    "written", ["10", "10/week", "-1/minute", "0/minute", "1/0 minutes", "ten/minute", "1/minute,", "5/00 minutes"]
)
def test_an_invalid_limit_stops_the_start(monkeypatch: pytest.MonkeyPatch, written: str):
    monkeypatch.setenv(KEY, written)
    with pytest.raises(ImproperlyConfigured, match=rf"{KEY} is .*write limits such as"):
        rates(KEY, default="7/hour")


@pytest.mark.parametrize("written", ["proxy.example.org", "10.0.0.1/8", "10.0.0.300"])
def test_an_invalid_proxy_address_stops_the_start(monkeypatch: pytest.MonkeyPatch, written: str):
    monkeypatch.setenv(KEY, written)
    with pytest.raises(ImproperlyConfigured, match=rf"{KEY} is .*write addresses or networks"):
        networks(KEY)


def test_every_kind_of_limit_has_a_message():
    for kind in configured.LIMITS:
        assert problem_of(TooMany(kind, 5))


@pytest.mark.parametrize(
    ("seconds", "message"),
    [(1, "1 second."), (90, "90 seconds."), (91, "2 minutes."), (5401, "2 hours."), (86400, "24 h")],
)
def test_the_time_to_wait_is_never_rounded_down(seconds: int, message: str):
    assert message in advice_of(TooMany("SETS", seconds))


# Addresses


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # not a trusted proxy
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),  # anyone could have written the addresses before it
        ("10.0.0.1", "198.51.100.7, 10.2.3.4", "198.51.100.7"),
        ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7:4321", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:443", "2001:db8:1:2::"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::"),
        ("fe80::1%eth0", "", "fe80::"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("::1", "198.51.100.7", "::1"),
        ("fd00::5", "198.51.100.7", "198.51.100.7"),
        ("", "198.51.100.7", "198.51.100.7"),  # a Unix socket, whose peer is a proxy
        ("", "", "unknown"),
    ],
)
def test_trusted_proxies_forward_the_client_address(settings, peer: str, forwarded: str, counted: str):
    settings.TRUSTED_PROXIES = PROXIES
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    assert address_of(RequestFactory().get("/", REMOTE_ADDR=peer, **headers)) == counted


def test_no_proxy_is_trusted_by_default():
    assert (
        address_of(RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="8.8.8.8")) == "127.0.0.1"
    )


def test_an_untrusted_proxy_is_logged_once(caplog: pytest.LogCaptureFixture):
    for _ in range(3):
        address_of(RequestFactory().get("/", REMOTE_ADDR="172.18.0.77", HTTP_X_FORWARDED_FOR="198.51.100.7"))
    address_of(RequestFactory().get("/", REMOTE_ADDR="8.8.4.4", HTTP_X_FORWARDED_FOR="198.51.100.7"))
    assert caplog.text.count("TRUSTED_PROXIES") == 1
    assert "172.18.0.77" in caplog.text


# Counters


def waits_of_refused(kind: str = "SETS", who: str = "a", times: int = 1, cost: int = 1) -> list[int]:
    """Return the seconds to wait of each refused try."""
    waits = []
    for _ in range(times):
        try:
            count({kind: who}, cost)
        except TooMany as error:
            waits.append(error.seconds)
    return waits


def test_refused_tries_do_not_count_against_longer_limits(settings):
    settings.LIMITS = {"SETS": (Rate(2, 60), Rate(5, 3600))}
    assert all(50 < seconds <= 61 for seconds in waits_of_refused(times=10)[:8])
    # A minute later.
    Tally.objects.filter(until__lt=timezone.now() + dt.timedelta(minutes=2)).update(until=timezone.now())
    assert len(waits_of_refused(times=3)) == 1
    Tally.objects.filter(until__lt=timezone.now() + dt.timedelta(minutes=2)).update(until=timezone.now())
    (seconds,) = waits_of_refused(times=2)
    assert seconds > 3000


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_tries_only_as_many_as_the_limit_pass(settings):
    settings.LIMITS = {"SETS": (Rate(5, 60),), "ZIPS": (Rate(9, 60),)}
    start, waits = threading.Barrier(12), []

    def ask(kinds: tuple[str, ...]) -> None:
        start.wait()
        try:
            count(dict.fromkeys(kinds, "a"))
        except TooMany as error:
            waits.append(error.seconds)

    threads = [in_another_thread(partial(ask, ("SETS", "ZIPS") if n % 2 else ("ZIPS", "SETS"))) for n in range(12)]
    for thread in threads:
        thread.join()
    assert len(waits) == 7
    # Refused tries have used up nothing of the other limit.
    assert [len(waits_of_refused("ZIPS")) for _ in range(5)] == [0, 0, 0, 0, 1]


def test_each_kind_and_each_caller_is_counted_separately(settings):
    settings.LIMITS = {"SETS": (Rate(1, 60),), "ZIPS": (Rate(1, 60),)}
    assert not [*waits_of_refused(who="a"), *waits_of_refused(who="b"), *waits_of_refused("ZIPS", who="a")]
    assert waits_of_refused(who="a")


def test_a_count_that_is_given_back_does_not_count(settings):
    settings.LIMITS = {"SETS": (Rate(1, 60),)}
    for _ in range(3):
        count({"SETS": "a"}).give_back()
    assert not waits_of_refused()


def test_neither_address_nor_name_is_stored(settings):
    settings.LIMITS = {"SETS": (Rate(1, 60),)}
    count({"SETS": "address 192.0.2.1"})
    assert set(Tally.objects.values().get()) == {"id", "count", "until"}


def test_expired_counts_are_deleted(settings, monkeypatch: pytest.MonkeyPatch):
    settings.LIMITS = {"SETS": (Rate(9, 60),)}
    monkeypatch.setattr(sweeping, "EVERY", 0.0)
    waits_of_refused(who="old")
    Tally.objects.update(until=timezone.now() - dt.timedelta(seconds=1))
    Session.objects.create(session_key="a" * 32, session_data="", expire_date=timezone.now() - dt.timedelta(days=1))
    Session.objects.create(session_key="b" * 32, session_data="", expire_date=timezone.now() + dt.timedelta(days=1))
    waits_of_refused(who="new")
    assert Tally.objects.count() == 1
    assert [one.session_key for one in Session.objects.all()] == ["b" * 32]


# Pages and the API


def share(client: Client) -> Any:
    return client.post("/selection/share", {"id": str(an_image().id)})


def report(client: Client) -> Any:
    return client.post(f"/images/{an_image().id}/report/", {"reason": "broken"})


def show_picture(client: Client) -> Any:
    return client.post("/search/picture", {"picture": picture_file()})


def send_address(client: Client) -> Any:
    return client.post("/search/address", {"url": "http://127.0.0.1/"})


def draw_region(client: Client) -> Any:
    sides = {"unit": "percent", "left": 10, "top": 10, "width": 50, "height": 50}
    return client.post(f"/images/{stored_image().id}/region", sides)


def show_picture_by_api(client: Client) -> Any:
    return client.post("/api/search/picture", {"picture": picture_file()})


def upload(client: Client) -> Any:
    return client.post("/upload/", {"pictures": picture_file()})


def add_by_api(client: Client) -> Any:
    return client.post("/api/images", {"picture": picture_file()})


def sign_up(client: Client) -> Any:
    return client.post("/accounts/sign-up/", {"username": "bob"})


def reset_password(client: Client) -> Any:
    return client.post("/accounts/reset/", {"email": "a@example.org"})


def download_zip(client: Client) -> Any:
    return client.post("/selection/download", {"id": str(an_image().id)})


def download_file(client: Client) -> Any:
    return client.get(f"/images/{stored_image().id}/download")


def save(client: Client) -> Any:
    return client.post("/saved/save", {"query": "q=red"})


@pytest.mark.parametrize(
    ("kind", "do"),
    [
        ("SETS", share),
        ("REPORTS", report),
        ("QUERY_PICTURES", show_picture),
        ("QUERY_PICTURES", show_picture_by_api),
        ("QUERY_PICTURES", send_address),
        ("QUERY_PICTURES", draw_region),
        ("UPLOADS", upload),
        ("UPLOADS", add_by_api),
        ("SIGN_UPS", sign_up),
        ("PASSWORDS", reset_password),
        ("ZIPS", download_zip),
        ("DOWNLOADS", download_file),
        ("SAVED_SEARCHES", save),
    ],
)
def test_too_many_requests_are_refused_with_the_time_to_wait(
    client: Client, settings, kind: str, do: Callable[[Client], Any]
):
    settings.LIMITS = {kind: (Rate(1, 60),)}
    assert do(client).status_code != 429

    answer = do(client)

    assert answer.status_code == 429
    assert 50 < int(answer["Retry-After"]) <= 61
    assert "seconds" in answer.content.decode()
    if answer["Content-Type"].startswith("application/"):
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["type"].endswith("#too_many")
    korean = Client(headers={"accept-language": "ko"})
    message = do(korean)
    assert "다시 시도하세요" in (message.json()["detail"] if "json" in message["Content-Type"] else message.text)
    # Another client.
    assert do(Client(REMOTE_ADDR="192.0.2.7")).status_code != 429


def test_reading_pages_is_not_limited(client: Client, settings):
    settings.LIMITS = dict.fromkeys(configured.LIMITS, (Rate(1, 60),))
    image = an_image()
    for address in ("/", f"/images/{image.id}/", f"/images/{image.id}/report/", "/accounts/login/", "/robots.txt"):
        assert [client.get(address).status_code for _ in range(3)] == [200] * 3


def test_a_request_repeated_with_its_body_is_counted_once(client: Client, settings):
    settings.LIMITS = {"SETS": (Rate(1, 60),)}
    assert share(client).status_code == 302
    client.defaults[LOOKED_AT] = True
    assert share(client).status_code == 302
    del client.defaults[LOOKED_AT]
    assert share(client).status_code == 429


def test_curators_are_not_counted(as_carol: Client, settings):
    settings.LIMITS = {"REPORTS": (Rate(1, 60),)}
    assert [report(as_carol).status_code for _ in range(3)] == [302] * 3


def test_logged_in_users_are_counted_by_account_at_any_address(as_alice: Client, settings):
    settings.LIMITS = {"SETS": (Rate(1, 60),)}
    assert share(as_alice).status_code == 302
    as_alice.defaults["REMOTE_ADDR"] = "192.0.2.7"
    assert share(as_alice).status_code == 429


def test_wrong_tokens_are_counted_and_valid_ones_always_accepted(client: Client, settings, alice):
    settings.LIMITS = {"TOKENS": (Rate(2, 60),)}
    _token, secret = ApiToken.issue(alice, "script")

    def ask(token: str) -> Any:
        return client.get("/api/search", headers={"authorization": f"Bearer {token}"})

    assert [ask("pix_wrong").status_code for _ in range(3)] == [401, 401, 429]
    assert ask(secret).status_code == 200
    assert ask("pix_wrong")["Content-Type"] == "application/problem+json"


STRANGER = "198.51.100.7"


@pytest.mark.parametrize("address", ["/search", "/api/search"])
def test_new_queries_of_anonymous_users_are_counted_and_cached_ones_are_not(settings, address: str):
    settings.LIMITS = {"SEARCHES": (Rate(2, 60),)}
    stranger = Client(REMOTE_ADDR=STRANGER)

    def ask(words: str) -> int:
        return stranger.get(address, {"q": words}).status_code

    assert [ask("red star"), ask("red star"), ask("blue star -red"), ask("red star")] == [200] * 4
    assert ask("green star") == 429
    assert ask("red star") == 200
    assert ask("") == (302 if address == "/search" else 200)  # redirected to the address without empty parameters


def test_searches_of_members_and_of_localhost_are_not_counted(as_alice: Client, client: Client, settings):
    settings.LIMITS = {"SEARCHES": (Rate(1, 60),)}
    as_alice.defaults["REMOTE_ADDR"] = STRANGER
    for person in (as_alice, client):
        assert [person.get("/search", {"q": f"a star {n}"}).status_code for n in range(3)] == [200] * 3


# Rows


def test_the_number_of_pending_reports_of_a_picture_is_bounded(client: Client):
    image = an_image()
    for _ in range(MOST_PENDING + 2):
        assert client.post(f"/images/{image.id}/report/", {"reason": "broken"}).status_code == 302
    assert Report.objects.count() == MOST_PENDING
    Report.objects.update(resolved=timezone.now())
    client.post(f"/images/{image.id}/report/", {"reason": "broken"})
    assert Report.objects.filter(resolved=None).count() == 1


def test_only_the_newest_query_pictures_are_kept(settings):
    settings.QUERY_PICTURES_KEPT = 3
    client = Client()
    for colour in ("red", "blue", "green", "yellow", "white"):
        client.post("/search/picture", {"picture": picture_file(colour=colour)})
    assert QueryPicture.objects.count() <= 4
