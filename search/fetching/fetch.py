"""Downloads one picture from a URL of an untrusted user."""

import threading

import httpx2
from django.conf import settings
from django.utils.translation import gettext as _
from httpcore2 import URL, ConnectionPool, NetworkError, ProtocolError, Response, TimeoutException

from search.fetching.connections import Deadline, PublicBackend
from search.fetching.errors import RefusedAddress
from search.fetching.responses import body_within, header
from search.fetching.url_validation import checked_address

SECONDS = 5.0
"""Time limit for everything: name resolution, connection, redirects, the last byte."""
MOST_REDIRECTS = 3
# Each download takes a thread of the server for up to SECONDS; its other threads stay free.
_AT_ONCE = threading.BoundedSemaphore(4)
_REDIRECTS = {301, 302, 303, 307, 308}


def fetch_picture(url: str) -> bytes:
    """Return the content of an untrusted http or https URL, undecoded.

    Takes at most 5 seconds and UPLOAD_MAX_MB. Raises RefusedAddress.
    """
    address = checked_address(url)
    if not _AT_ONCE.acquire(blocking=False):
        raise RefusedAddress(_("Too many pictures are being fetched right now. Try again in a moment."))
    try:
        return _followed(address)
    except TimeoutException:
        limit = f"{SECONDS:g}"
        raise RefusedAddress(
            _("The server of this address did not respond within %(limit)s seconds.") % {"limit": limit}
        ) from None
    except (NetworkError, ProtocolError):
        raise RefusedAddress(_("The server of this address does not respond, or closes the connection.")) from None
    finally:
        _AT_ONCE.release()


def _followed(address: httpx2.URL) -> bytes:
    backend = PublicBackend(Deadline(SECONDS))
    for _hop in range(1 + MOST_REDIRECTS):
        found = _asked(address, backend)
        if isinstance(found, bytes):
            return found
        address = found
    raise RefusedAddress(_("This address redirects more than %(limit)s times.") % {"limit": MOST_REDIRECTS})


def _asked(address: httpx2.URL, backend: PublicBackend) -> bytes | httpx2.URL:
    """Return the content at `address`, or the URL to which it redirects."""
    target = URL(scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=address.raw_path)
    headers = [
        ("Host", address.netloc.decode("ascii")),
        ("User-Agent", "imagesearch (search by address)"),
        ("Accept", "image/*"),
        ("Accept-Encoding", "identity"),
    ]
    with ConnectionPool(network_backend=backend) as pool, pool.stream("GET", target, headers=headers) as response:
        location = header(response, b"location")
        if response.status in _REDIRECTS and location:
            return _joined(address, location)
        _refuse_what_is_no_picture(response)
        return _body(response)


def _joined(address: httpx2.URL, location: str) -> httpx2.URL:
    try:
        return checked_address(address.join(location))
    except (httpx2.InvalidURL, UnicodeError):
        raise RefusedAddress(_("This address redirects to an address that is not valid.")) from None


def _refuse_what_is_no_picture(response: Response) -> None:
    if response.status != 200:
        raise RefusedAddress(
            _("The server of this address returned the error %(status)s.") % {"status": response.status}
        )
    if not header(response, b"content-type").lower().startswith("image/"):
        raise RefusedAddress(
            _("This is the address of a page or a file, not of a picture. Copy the address of the picture itself.")
        )


def _body(response: Response) -> bytes:
    body = body_within(response, settings.UPLOAD_MAX_MB * 1_000_000)
    if body is None:
        raise RefusedAddress(
            _("The picture at this address is larger than %(limit)s MB.") % {"limit": f"{settings.UPLOAD_MAX_MB:,}"}
        )
    return body
