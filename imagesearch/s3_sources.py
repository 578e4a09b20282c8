"""`S3_SOURCES`: connection settings per source bucket, where they differ from our own bucket's."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from imagesearch.environment import is_region, wrong
from imagesearch.host_names import is_web_address

STYLES = ("auto", "path", "virtual")
_EXAMPLE = '{"bucket": {"endpoint": "https://s3.example.org", "anonymous": true}}'


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "endpoint": (
        lambda value: _is_text(value) and is_web_address(value),
        "a whole address such as https://s3.example.org",
    ),
    "region": (lambda value: _is_text(value) and is_region(value), "a name such as eu-central-1"),
    "access_key": (_is_text, "a text"),
    "secret_key": (_is_text, "a text"),
    "session_token": (_is_text, "a text"),
    "anonymous": (lambda value: isinstance(value, bool), "true or false"),
    "requester_pays": (lambda value: isinstance(value, bool), "true or false"),
    "addressing_style": (lambda value: value in STYLES, f"one of: {', '.join(STYLES)}"),
}


def s3_sources(name: str, value: str) -> dict[str, dict[str, Any]]:
    """Return the settings of each bucket from a JSON object, the value of `name`. Errors don't repeat it: it has
    secrets."""
    if not value:
        return {}
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise wrong(name, "...", f"write JSON such as {_EXAMPLE}.")
    for bucket, fields in found.items():
        _check(name, bucket, fields)
    return found


def _check(name: str, bucket: str, fields: Mapping[str, Any]) -> None:
    if not bucket or "/" in bucket.removeprefix("arn:").partition(":accesspoint/")[0]:
        raise wrong(name, f"... {bucket} ...", "write a bucket's name alone, without s3:// and folder.")
    for field, value in fields.items():
        if field not in _FIELDS:
            raise wrong(name, f"... {field} ...", f"what is said of {bucket} may be: {', '.join(_FIELDS)}.")
        is_right, remedy = _FIELDS[field]
        if not is_right(value):
            raise wrong(name, "...", f"{field} of {bucket} must be {remedy}.")
    if ("access_key" in fields) != ("secret_key" in fields):
        raise wrong(name, "...", f"{bucket} needs access_key and secret_key, both or neither.")
    if "session_token" in fields and "access_key" not in fields:
        raise wrong(name, "...", f"the session_token of {bucket} needs its access_key and secret_key too.")
    if fields.get("anonymous") and "access_key" in fields:
        raise wrong(name, "...", f"{bucket} has keys and is anonymous: remove one of the two.")
