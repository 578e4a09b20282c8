"""Identity of models: rows name the model of their vector, and a search sees only rows of the active one."""

import hashlib
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from search import demo
from search.models.active_pair import Pair, chosen, known_switch

_EDGE = 64 * 1024
_NO_SETTINGS = {".safetensors", ".bin", ".onnx", ".onnx_data", ".h5", ".msgpack", ".pt", ".ot", ".gguf", ".md"}
"""Suffixes of weights, of other libraries too, and of documentation."""


def active_pair() -> Pair:
    """Return the pair of models that searches and uploads use. The single source of that."""
    return chosen().pair


def active_model() -> str:
    """Return the name of the active image model in new rows: its hub id, or its folder's name with a fingerprint of
    its content."""
    return identity_of(active_pair().image)


def text_model() -> str:
    """Return the name of the active text model, in the same form."""
    return identity_of(active_pair().text)


def text_models() -> list[str]:
    """Return the names of all text models that processes may use now, or after a switch."""
    switch, pairs = known_switch(), [active_pair()]
    if switch:
        pairs += [named.pair for named in (switch.active, switch.next, switch.kept) if named]
    return [identity_of(pair.text) for pair in pairs]


def is_demo_model() -> bool:
    """Whether the active pair is the demo's small model, which knows only drawn shapes."""
    return _resolved(active_pair().image) == _resolved(str(demo.IMAGE_MODEL))


def fingerprint_of(name: str) -> str:
    """Return a fingerprint of the model `name` including its tokenizer: of its folder, or the revision of a hub id."""
    if is_folder(name):
        return f"{identity_of(name)}:{_settings_of(name)}"
    # Called by each search: look for files only until the model is there.
    known = _revisions.get(name) or revision(name)
    if known:
        _revisions[name] = known
    return f"{name}@{known}"


_revisions: dict[str, str] = {}
"""Revisions of hub ids that were found in the local cache."""


def revision(name: str) -> str:
    """Return the revision in the local hub cache; "" if there is none."""
    from huggingface_hub import try_to_load_from_cache

    for file in ("modules.json", "config.json"):  # the second for models of transformers, which can be opened as well
        try:
            path = try_to_load_from_cache(name, file)
        except ValueError:  # the name of a missing folder is no valid hub id
            return ""
        if isinstance(path, str):
            return Path(path).parent.name
    return ""


def forget_identities() -> None:
    """Clear the caches: a folder whose model could not be loaded may have been incomplete."""
    _resolved.cache_clear()
    _folder_identity.cache_clear()
    _fingerprint.cache_clear()
    _settings_of.cache_clear()
    _revisions.clear()


def identity_of(name: str) -> str:
    """Return the name of the model `name` in rows, whether it is active or not."""
    return _folder_identity(name) if is_folder(name) else name


def is_folder(name: str) -> bool:
    """Whether `name` is an accessible folder."""
    return os.path.isdir(name)  # noqa: PTH112 - Path.is_dir raises without permission


def is_path(name: str) -> bool:
    """Whether `name` can only be a path: hub ids are `name` or `organisation/name`."""
    return name.startswith(("/", ".", "~"))


@lru_cache(maxsize=16)
def _resolved(name: str) -> Path:
    """Cached: each page needs it a dozen times, and resolving links takes 40 µs."""
    return Path(name).resolve()


@lru_cache(maxsize=16)
def _folder_identity(name: str) -> str:
    return f"{_resolved(name).name}@{_fingerprint(Path(name))}"


@lru_cache(maxsize=8)
def _settings_of(name: str) -> str:
    """Return eight hex digits of a hash of all files but the weights: they define tokens and pixels."""
    digest = hashlib.sha256()
    for path in sorted(Path(name).rglob("*")):
        with suppress(OSError):
            if path.is_file() and path.suffix not in _NO_SETTINGS:
                digest.update(f"{path.relative_to(name)} ".encode() + path.read_bytes())
    return digest.hexdigest()[:8]


@lru_cache(maxsize=8)
def _fingerprint(folder: Path) -> str:
    """Return eight hex digits that distinguish trained models, wherever their folders are.

    A hash of the configuration, and of the size and both ends of each file of weights: hashing 600 MB would take every
    process seconds, and training always changes the last weights.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):  # an incomplete file, such as a broken link: loading reports it
            digest.update(_fingerprinted(path, folder))
    return digest.hexdigest()[:8]


def _fingerprinted(path: Path, folder: Path) -> bytes:
    """Return the parts of a file that go into the fingerprint of its folder. Raises OSError."""
    if path.name in {"config.json", "modules.json"}:
        return path.read_bytes()
    if path.suffix not in {".safetensors", ".bin"}:
        return b""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_EDGE)
        file.seek(max(0, size - _EDGE))
        return f"{path.relative_to(folder)} {size}".encode() + start + file.read()
