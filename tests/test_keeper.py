"""The supervisor restarts the embedded PostgreSQL if it was killed, and leaves it alone if an operator stopped it."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from imagesearch import postgres_supervisor
from imagesearch.postgres_supervisor import Supervisor, stopped_in_order


class Machine:
    """A simulated PostgreSQL server, with the messages of its supervisor."""

    def __init__(self) -> None:
        self.runs, self.in_order, self.starts, self.failures = True, False, 0, 0
        self.said: list[str] = []
        self.keeper = Supervisor(
            is_there=lambda: self.runs,
            was_stopped_in_order=lambda: self.in_order,
            start=self.start,
            report=self.said.append,
        )

    def start(self) -> None:
        self.starts += 1
        if self.failures:
            self.failures -= 1
            raise ImproperlyConfigured("The disk is full: free some space.")
        self.runs = True


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_killed_server_is_restarted_and_a_message_says_so(machine: Machine) -> None:
    machine.keeper.look()
    assert not machine.starts

    machine.runs = False
    machine.keeper.look()
    machine.keeper.look()

    assert machine.starts == 1
    [message] = machine.said
    assert "was killed and restarted" in message


def test_a_server_that_does_not_start_is_retried_at_growing_intervals_and_the_reason_is_reported(
    machine: Machine,
) -> None:
    machine.runs, machine.failures = False, 9
    pauses = []
    for _ in range(9):
        machine.keeper.look()
        pauses.append(machine.keeper._pause)

    assert pauses == [1, 2, 4, 8, *[postgres_supervisor.LONGEST_PAUSE] * 5]
    assert machine.said[0] == "The disk is full: free some space.\nTrying again in 1 s."
    machine.keeper.look()
    assert machine.runs
    assert machine.keeper._pause == postgres_supervisor.LOOK_EVERY


def test_a_server_stopped_by_an_operator_is_not_restarted(machine: Machine) -> None:
    machine.runs, machine.in_order = False, True
    for _ in range(3):
        machine.keeper.look()
    assert not machine.starts
    [message] = machine.said
    assert "was shut down" in message

    machine.runs = True  # by a command
    machine.keeper.look()
    machine.runs = machine.in_order = False
    machine.keeper.look()
    assert machine.starts == 1


@pytest.mark.parametrize(
    ("state", "in_order"), [("shut down", True), ("in production", False), ("in crash recovery", False)]
)
def test_how_the_server_ended_is_read_from_pg_controldata(tmp_path: Path, state: str, in_order: bool) -> None:
    program = tmp_path / "pg_controldata"
    program.write_text(f"#!/bin/sh\necho 'pg_control version number: 1800'\necho 'Database cluster state: {state}'\n")
    program.chmod(0o755)
    assert stopped_in_order(program, tmp_path) is in_order

    (tmp_path / "postmaster.pid").write_text("1\n")
    assert not stopped_in_order(program, tmp_path)
