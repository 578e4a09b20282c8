"""Reading of untrusted responses, for both ways of fetching."""

from httpcore2 import Response


def header(response: Response, name: bytes) -> str:
    """Return the value of the first header called `name` (lower case); "" if there is none."""
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


def body_within(response: Response, limit: int) -> bytes | None:
    """Return the body; None if it has more than `limit` bytes, of which not many more are read."""
    announced = header(response, b"content-length")
    body = bytearray()
    if not announced or int(announced) <= limit:
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > limit:
                return None
        return bytes(body)
    return None
