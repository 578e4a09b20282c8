"""Paths of requests below BASE_PATH."""

from django.conf import settings


def below_base_path(path: str) -> str:
    """Return a request's path without BASE_PATH, whether a proxy kept or stripped it."""
    base: str = settings.BASE_PATH
    if not base:
        return path
    if path == base or path.startswith(f"{base}/"):
        path = path.removeprefix(base)
    # nginx makes two slashes of `location /pictures { proxy_pass http://127.0.0.1:8000/; }`.
    return f"/{path.lstrip('/')}"
