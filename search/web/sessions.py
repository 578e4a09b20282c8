"""Database sessions with stricter keys: anything else in the cookie is no session."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str) -> bool:
        # A cookie may contain a NUL, which PostgreSQL rejects with an error.
        valid = super()._validate_session_key(key)  # type: ignore[misc]
        return bool(valid) and key.isascii() and key.isalnum()
