"""The manifest of a backup."""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from search.backup.targets import Target

FORMAT = 1
"""Format version. Later versions of this program read earlier formats."""
_MANIFESTS = "manifests/"


class BackupError(Exception):
    """A backup can't be made or read. The message is for the operator."""


@dataclass
class Manifest:
    """One backup: `made` is its time in UTC, used in names. `rows` has the number of rows by table, and `migrations`
    those applied. `in_place` originals are in other buckets and not in the backup; `missing` objects were unavailable;
    pictures deleted during the backup are not part of it."""

    made: str
    postgresql: int = 0
    schema: str = "public"
    migrations: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    dump_bytes: int = 0
    dump_sha256: str = ""
    list_sha256: str = ""
    objects: int = 0
    object_bytes: int = 0
    thumbnails: bool = True
    in_place: int = 0
    missing: list[str] = field(default_factory=list)
    deleted_meanwhile: list[str] = field(default_factory=list)
    format: int = FORMAT

    @property
    def dump(self) -> str:
        return f"database/{self.made}.dump"

    @property
    def list(self) -> str:
        return f"lists/{self.made}.tsv.gz"

    @property
    def key(self) -> str:
        return f"{_MANIFESTS}{self.made}.json"

    def write(self, target: "Target") -> None:
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(asdict(self), indent=1, ensure_ascii=False).encode())
            file.seek(0)
            target.write_from(self.key, file)


def manifests(target: "Target") -> list[str]:
    """Return when the backups there were made, the latest last."""
    return sorted(key.removeprefix(_MANIFESTS).removesuffix(".json") for key in target.sizes(_MANIFESTS))


def read_manifest(target: "Target", made: str = "") -> Manifest:
    """Return the manifest of the backup `made` at that time, or of the latest. Raises BackupError."""
    there = manifests(target)
    if not there:
        raise BackupError(f"There is no backup in {target.name}: it has no manifest, which is written last.")
    if made and made not in there:
        raise BackupError(f"No backup in {target.name} was made at {made}. There are: {', '.join(there)}.")
    key = f"{_MANIFESTS}{made or there[-1]}.json"
    with tempfile.TemporaryFile() as file:
        target.read_into(key, file)
        file.seek(0)
        try:
            said = json.load(file)
            if said["format"] > FORMAT:
                raise BackupError(f"{key} was written by a newer version of this program: restore with that.")
            return Manifest(**said)
        except (ValueError, TypeError, KeyError) as error:
            raise BackupError(f"{key} in {target.name} is damaged ({error}). Choose another one by --at.") from error


def sha256_of(file: IO[bytes]) -> str:
    """Return the hash of a file and rewind it."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    return digest
