"""The Hugging Face hub: whether it is reachable, and whether a model needs it."""

import threading
import urllib.error
import urllib.request

from search.embedding.model_identity import active_pair, is_folder, revision

HUB_PATIENCE = 3.0
"""Seconds for the hub to answer. Its own client retries for more than a minute."""


def models_available() -> bool:
    """Whether both models are folders, in the local cache, or can be downloaded. Downloads nothing."""
    return all(is_folder(name) or _is_cached(name) for name in active_pair()) or hub_in_reach()


def _is_cached(name: str) -> bool:
    return bool(revision(name))


def hub_in_reach() -> bool:
    """Whether the Hugging Face hub answers within HUB_PATIENCE seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    answered: list[bool] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310 - the operator's own setting
            urllib.request.urlopen(request, timeout=HUB_PATIENCE).close()  # noqa: S310
        except urllib.error.HTTPError:
            pass  # it answered
        except (OSError, ValueError):
            return
        answered.append(True)

    # In a thread, since no timeout limits name resolution.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_PATIENCE)
    return bool(answered)
