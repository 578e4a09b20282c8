"""Two-factor login: a code of an authenticator app (TOTP, RFC 6238) or a recovery code."""

import hashlib
import secrets
import time
import unicodedata
from base64 import b32encode
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils.crypto import constant_time_compare
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp.util import random_hex

RECOVERY_CODES = 10
LONGEST_CODE = 40
_WAITING = "waiting_for_code"
_PATIENCE = 600
"""Seconds allowed between the password and the code."""


class WrongCode(Exception):
    """The code is not valid now, or was used before."""


def has_one(user: Any) -> bool:
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def is_missing(user: Any) -> bool:
    """Whether the user must set up a second factor before curating."""
    return bool(settings.REQUIRE_SECOND_FACTOR and user.is_staff and not has_one(user))


# Setup


def new_key() -> str:
    return str(random_hex(20))


def written_key(key: str) -> str:
    """Return the key in the form in which it is typed into an app."""
    text = b32encode(bytes.fromhex(key)).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def qr_code(user: User, key: str) -> str:
    """Return a QR code of the key for apps, as a `data:` address."""
    address = TOTPDevice(user=user, key=key).config_url
    import segno  # noqa: PLC0415 - for few pages

    return str(segno.make(address, error="m", micro=False).svg_data_uri(scale=5, border=4, light="#fff", dark="#000"))


@transaction.atomic
def set_up(user: User, key: str, code: str) -> list[str]:
    """Require codes of `key` from now on; return new recovery codes. Raises WrongCode."""
    _lock(user)
    remove(user)
    device = TOTPDevice(user=user, name="app", key=key, confirmed=True)
    if not device.verify_token(_typed(code)):
        raise WrongCode
    return new_recovery_codes(user)


@transaction.atomic
def new_recovery_codes(user: User) -> list[str]:
    """Return ten new recovery codes, valid once each, which replace earlier ones. Only digests are stored."""
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery")
    codes = [b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    for code in codes:
        device.token_set.create(token=_digest(code))
    return ["-".join(code[start : start + 4] for start in range(0, 16, 4)) for code in codes]


def recovery_codes_left(user: User) -> int:
    return sum(device.token_set.count() for device in StaticDevice.objects.filter(user=user))


@transaction.atomic
def remove(user: User) -> bool:
    """Remove the second factor; return whether there was one."""
    StaticDevice.objects.filter(user=user).delete()
    return bool(TOTPDevice.objects.filter(user=user).delete()[0])


# Login


@transaction.atomic
def is_right(user: User, code: str) -> bool:
    """Whether a code is valid; uses it up. Row locks serialise two requests with the same code."""
    text = _typed(code)
    if text.isdecimal():
        devices: Any = TOTPDevice.objects.filter(user=user, confirmed=True)
    else:
        devices, text = StaticDevice.objects.filter(user=user), _digest(text)
    return any(device.verify_token(text) for device in devices.select_for_update())


def wait_for_code(session: SessionBase, user: User, **noted: Any) -> None:
    """Record in the session that the password of `user` was right and the code is still missing."""
    proof = user.get_session_auth_hash()
    session[_WAITING] = {"user": user.pk, "password": proof, "until": time.time() + _PATIENCE, **noted}
    session.set_expiry(_PATIENCE)


def waiting_user(session: SessionBase) -> tuple[User, dict[str, Any]] | None:
    """Return the user whose code is missing, with the recorded values; None if there is none or it expired."""
    noted = session.get(_WAITING)
    if not noted or noted["until"] < time.time():
        return None
    user = get_user_model().objects.filter(pk=noted["user"], is_active=True).first()
    if user is None or not constant_time_compare(noted["password"], user.get_session_auth_hash()):
        return None
    return user, noted


def stop_waiting(session: SessionBase) -> None:
    session.pop(_WAITING, None)


def _lock(user: User) -> None:
    get_user_model().objects.select_for_update().get(pk=user.pk)


def _typed(code: str) -> str:
    """Return a typed code without spaces and hyphens."""
    return "".join(unicodedata.normalize("NFKC", code).replace("-", " ").split()).lower()


def _digest(code: str) -> str:
    """Return a digest for storage. Random codes of 80 bits need no slow hash."""
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()[:16]
