"""Settings that are valid alone and conflict together. Each conflict stops the start with a remedy.

No server is contacted here; `/readyz` does that.
"""

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from imagesearch.environment import wrong


def check_storage(*, bucket: str, folder: str, endpoint: str, public: str, through_site: bool) -> None:
    """Raise ImproperlyConfigured for conflicting settings of the object storage."""
    if folder and not bucket:
        raise wrong(
            "AWS_LOCATION", folder, "a folder without a bucket: set AWS_STORAGE_BUCKET_NAME too, or remove it."
        )
    if public and not bucket:
        remedy = "there is no bucket to serve: set AWS_STORAGE_BUCKET_NAME too, or remove it."
        raise wrong("S3_PUBLIC_BASE_URL", public, remedy)
    if public and through_site:
        remedy = "it is not used with PICTURES_THROUGH_SITE=on: remove one of the two."
        raise wrong("S3_PUBLIC_BASE_URL", public, remedy)
    if public and folder and not f"{unquote(urlsplit(public).path)}/".endswith(f"/{folder}/"):
        whole = f"{public}/{quote(folder)}"
        remedy = f"pictures are in the folder {folder} (AWS_LOCATION): write {whole}, or remove AWS_LOCATION."
        raise wrong("S3_PUBLIC_BASE_URL", public, remedy)
    if bucket and urlsplit(endpoint).path.rstrip("/").endswith(f"/{bucket}"):
        remedy = f"the bucket belongs in AWS_STORAGE_BUCKET_NAME only: write {endpoint.removesuffix(f'/{bucket}')}."
        raise wrong("AWS_S3_ENDPOINT_URL", endpoint, remedy)


def check_keys(keys: Mapping[str, str]) -> None:
    """Raise ImproperlyConfigured for incomplete credentials. `keys`: the three AWS settings by name, in the order
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.

    Values are not repeated: they are secrets.
    """
    key, secret, token = keys
    for there, lacking in ((key, secret), (secret, key), (token, key)):
        if keys[there] and not keys[lacking]:
            raise ImproperlyConfigured(
                f"{there} is set, and {lacking} is not: set both, or neither if the machine has a role or ~/.aws."
            )


def check_access(access: str, *, sign_up: str, upload_needs_login: bool, public: str) -> None:
    """Raise ImproperlyConfigured for settings that bypass SITE_ACCESS."""
    if access == "public":
        return
    if not upload_needs_login:
        remedy = "the site requires an account, also for adding pictures: set UPLOAD_LOGIN_REQUIRED=on."
        raise wrong("SITE_ACCESS", access, remedy)
    if public:
        remedy = "the pictures at S3_PUBLIC_BASE_URL are public: remove it, and make the bucket private."
        raise wrong("SITE_ACCESS", access, remedy)
    if access == "approved" and sign_up == "on":
        remedy = "with SIGN_UP_OPEN=on accounts need no approval: remove SIGN_UP_OPEN, or write members here."
        raise wrong("SITE_ACCESS", access, remedy)
