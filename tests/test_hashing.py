"""Passwords are hashed one at a time in each process, and few requests wait for it."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password
from django.test import Client

from search.accounts import password_hashing

OURS = ["search.accounts.password_hashing.PBKDF2"]


@pytest.fixture
def full_queue(settings) -> Iterator[Callable[[], list[str]]]:
    """The hashing thread is busy and its queue full; call it to let them finish."""
    settings.PASSWORD_HASHERS = OURS
    go_on, done = threading.Event(), []

    def wait() -> None:
        done.append(password_hashing.in_turn(lambda: str(go_on.wait(60))))

    others = [threading.Thread(target=wait) for _ in range(password_hashing.AT_ONCE)]

    def let_go() -> list[str]:
        go_on.set()
        for other in others:
            other.join()
        return done

    for other in others:
        other.start()
    while password_hashing._room._value:
        time.sleep(0.001)
    yield let_go
    let_go()


def test_hashes_are_compatible_with_djangos(settings):
    settings.PASSWORD_HASHERS = OURS
    theirs = PBKDF2PasswordHasher().encode("a secret", "salt", iterations=10)
    assert check_password("a secret", theirs)
    assert not check_password("another", theirs)
    assert make_password("a secret").startswith("pbkdf2_sha256$")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has the priority of its process")
def test_hashing_has_a_lower_priority_than_searches():
    nice = password_hashing.in_turn(lambda: str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    assert int(nice) >= password_hashing._NICE
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < password_hashing._NICE


def test_a_login_beyond_the_queue_is_503_with_retry_after(full_queue, client: Client, db):
    answer = client.post("/accounts/login/", {"username": "alice", "password": "alice's secret"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "Too many people are logging in right now." in answer.text


def test_queued_requests_are_served_and_free_the_queue(full_queue):
    assert full_queue() == ["True"] * password_hashing.AT_ONCE
    assert [password_hashing.in_turn(lambda: "done") for _ in range(9)] == ["done"] * 9


def test_a_request_that_times_out_frees_its_place_in_the_queue(monkeypatch: pytest.MonkeyPatch):
    go_on = threading.Event()
    monkeypatch.setattr(password_hashing, "PATIENCE", 0.01)
    with pytest.raises(password_hashing.Crowded):
        password_hashing.in_turn(lambda: str(go_on.wait(60)))
    go_on.set()
    monkeypatch.setattr(password_hashing, "PATIENCE", 60.0)
    assert [password_hashing.in_turn(lambda: "done") for _ in range(password_hashing.AT_ONCE + 1)] == ["done"] * (
        password_hashing.AT_ONCE + 1
    )
