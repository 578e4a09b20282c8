"""Which model made a vector. Rows carry this name, and a search sees only the rows of the active model."""

import hashlib
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from search import demo
from search.models.active_pair import Pair, chosen, known_switch

_EDGE = 64 * 1024
_NO_SETTINGS = {".safetensors", ".bin", ".onnx", ".onnx_data", ".h5", ".msgpack", ".pt", ".ot", ".gguf", ".md"}
"""Endings of files that are weights, of other libraries too, or are read by people."""


def active_pair() -> Pair:
    """Return the models that searches and uploads use: the one place that says which they are."""
    return chosen().pair


def active_model() -> str:
    """Return the name that new rows get: the hub id, or a folder's name with a fingerprint of what is in it."""
    return identity_of(active_pair().image)


def text_model() -> str:
    """Return the name of the model for words, of the same form."""
    return identity_of(active_pair().text)


def text_models() -> list[str]:
    """Return the names of all models for words that processes may answer with now, or will after a switch."""
    switch, pairs = known_switch(), [active_pair()]
    if switch:
        pairs += [named.pair for named in (switch.active, switch.next, switch.kept) if named]
    return [identity_of(pair.text) for pair in pairs]


def is_demo_model() -> bool:
    """Whether pictures and words are embedded by the small model that knows only drawn shapes."""
    return _resolved(active_pair().image) == _resolved(str(demo.IMAGE_MODEL))


def fingerprint_of(name: str) -> str:
    """Return what tells the model `name` from others, tokenizer and all: of a folder, or the revision of a hub id."""
    if is_folder(name):
        return f"{identity_of(name)}:{_settings_of(name)}"
    # Asked at each search: files are looked for until the model is there, and no more.
    known = _revisions.get(name) or revision(name)
    if known:
        _revisions[name] = known
    return f"{name}@{known}"


_revisions: dict[str, str] = {}
"""Of ids on the hub, as far as they were found in the local cache."""


def revision(name: str) -> str:
    """Return the revision in the local cache of the hub; "" where there is none."""
    from huggingface_hub import try_to_load_from_cache

    for file in ("modules.json", "config.json"):  # the second of models of transformers, which open as well
        try:
            path = try_to_load_from_cache(name, file)
        except ValueError:  # a folder that is not there has a name that no model of the hub can have
            return ""
        if isinstance(path, str):
            return Path(path).parent.name
    return ""


def forget_identities() -> None:
    """Look again at the folders of the models: one that could not be loaded was perhaps only half there."""
    _resolved.cache_clear()
    _fingerprint.cache_clear()
    _settings_of.cache_clear()
    _revisions.clear()


def identity_of(name: str) -> str:
    """Return what rows are called by whose vectors the model `name` made: of any model, active or not."""
    folder = Path(name)
    return f"{_resolved(name).name}@{_fingerprint(folder)}" if is_folder(name) else name


def is_folder(name: str) -> bool:
    """Whether `name` is a folder that may be looked at."""
    return os.path.isdir(name)  # noqa: PTH112 - of Path, it raises for one that may not


@lru_cache(maxsize=16)
def _resolved(name: str) -> Path:
    """Each page asks for it a dozen times, and a folder's links take 40 µs to follow."""
    return Path(name).resolve()


@lru_cache(maxsize=8)
def _settings_of(name: str) -> str:
    """Return eight digits of all files but the weights: how texts are cut into tokens, and pictures into pixels."""
    digest = hashlib.sha256()
    for path in sorted(Path(name).rglob("*")):
        with suppress(OSError):
            if path.is_file() and path.suffix not in _NO_SETTINGS:
                digest.update(f"{path.relative_to(name)} ".encode() + path.read_bytes())
    return digest.hexdigest()[:8]


@lru_cache(maxsize=8)
def _fingerprint(folder: Path) -> str:
    """Return eight hex digits that tell two trained models apart, wherever their folders lie.

    Made from the configuration and from the size and both ends of each file of weights: hashing all of 600 MB would
    cost every process seconds, and no training leaves the last weights as they were.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):  # of a file that is only half there, such as a link to none: loading it will tell
            digest.update(_told_of(path, folder))
    return digest.hexdigest()[:8]


def _told_of(path: Path, folder: Path) -> bytes:
    """Return what of a file goes into the fingerprint of its folder. Raises OSError."""
    if path.name in {"config.json", "modules.json"}:
        return path.read_bytes()
    if path.suffix not in {".safetensors", ".bin"}:
        return b""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_EDGE)
        file.seek(max(0, size - _EDGE))
        return f"{path.relative_to(folder)} {size}".encode() + start + file.read()
