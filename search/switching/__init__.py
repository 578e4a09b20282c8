"""Switching models: vectors of another pair are prepared beside those in use, then swapped without downtime.

May import the rooms above it in docs/architecture.md. Verbs: `begin`, `fill`, `finish`, `activate`, `go_back`,
`copy_vectors`, `abort`, `forget_models_of`, `state`.
"""

from search.switching.activating import Swapped, activate, go_back
from search.switching.errors import Refused
from search.switching.forgetting import abort, forget_models_of
from search.switching.preparing import begin, being_prepared, catch_up, fill, finish, settled_pair
from search.switching.switch_status import State, state, status_line
from search.switching.vector_copying import copy_vectors

__all__ = [
    "Refused",
    "State",
    "Swapped",
    "abort",
    "activate",
    "begin",
    "being_prepared",
    "catch_up",
    "copy_vectors",
    "fill",
    "finish",
    "forget_models_of",
    "go_back",
    "settled_pair",
    "state",
    "status_line",
]
