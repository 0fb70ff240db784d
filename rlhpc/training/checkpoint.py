"""Checkpoints: the files in which an unfinished training waits to be continued.

A training's folder holds at most two, ``checkpoint-<agent steps>``; the newest that verifies is used. A file is

    a line that names the format and its version
    a line of JSON: the `Header`
    the state, pickled (see snapshot.py) and compressed by Zstandard
    32 bytes: the SHA-256 of everything before

and takes its name only when all of it is on the disk, so that whatever stops the writing leaves the older one. Nothing is
unpickled before its checksum holds and its header fits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from rlhpc.clock import utc_now
from rlhpc.errors import DamagedCheckpointError, ForeignCheckpointError
from rlhpc.files import TEMPORARY_SUFFIX, atomic_write, set_aside
from rlhpc.records import Training
from rlhpc.results.ledger import difference
from rlhpc.results.store import CHECKPOINT

KEPT = 2  # generations: the newest, and one to fall back to
COMPRESSION_LEVEL = 1  # 3.6 GB/s on replay buffers of Atari frames, to a 190th; weights hardly shrink at any level
_FORMAT = b"rlhpc checkpoint 3\n"
_DIGEST_BYTES = hashlib.sha256().digest_size
_PIECE_BYTES = 1 << 20
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Header:
    """What a checkpoint is of.

    Attributes
    ----------
    training : Training
    timesteps : int
        Agent steps made, over all parallel environments.
    learned : bool
        Whether only the evaluation is left.
    attempt : int
        That wrote it.
    versions : mapping
        Package -> version.
    device : mapping
        As `machine.device` describes it.
    saved_at : str
        ISO 8601, UTC.
    """

    training: Training
    timesteps: int
    learned: bool
    attempt: int
    versions: Mapping[str, str]
    device: Mapping[str, Any]
    saved_at: str = field(default_factory=utc_now)


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training.

    Attributes
    ----------
    folder : Path
        The training's folder.
    """

    folder: Path

    def paths(self) -> list[Path]:
        """List the checkpoints, the newest first."""
        found = [path for path in self.folder.glob(f"{CHECKPOINT}*") if path.name.removeprefix(CHECKPOINT).isdecimal()]
        return sorted(found, key=lambda path: int(path.name.removeprefix(CHECKPOINT)), reverse=True)

    def timesteps(self) -> int:
        """Return the agent steps of the newest checkpoint, by its name; 0 without one."""
        return max((int(path.name.removeprefix(CHECKPOINT)) for path in self.paths()), default=0)

    def largest(self) -> int:
        """Return the size of the largest checkpoint, in bytes; 0 without one."""
        return max((path.stat().st_size for path in self.paths()), default=0)

    def write(self, header: Header, dump: Callable[[BinaryIO], None]) -> Path:
        """Write a checkpoint, and remove those that are older than the newest `KEPT`.

        Parameters
        ----------
        header : Header
        dump : callable
            Writes the state to a stream.
        """
        with atomic_write(self._path(header)) as stream:
            _encode(stream, header, dump)
        return self._kept(header)

    def write_encoded(self, header: Header, encoded: bytes) -> Path:
        """Write what `encode` has made."""
        with atomic_write(self._path(header)) as stream:
            stream.write(encoded)
        return self._kept(header)

    def _path(self, header: Header) -> Path:
        return self.folder / f"{CHECKPOINT}{header.timesteps:012d}"

    def _kept(self, header: Header) -> Path:
        """Remove what is too old."""
        for old in self.paths()[KEPT:]:
            old.unlink(missing_ok=True)
        return self._path(header)

    def read(
        self, fits: Callable[[Path, Header], None], load: Callable[[BinaryIO], Any], say: Callable[[str], None]
    ) -> tuple[Header, Any] | None:
        """Read the newest checkpoint that verifies.

        Parameters
        ----------
        fits : callable
            Raises if a checkpoint is not of this training, or not for this machine; see `refuse_foreign`.
        load : callable
            Reads the state from a stream.
        say : callable
            Told, in a sentence, of a checkpoint that was damaged; it is kept under another name until a result is stored.

        Returns
        -------
        header, state, or None if there is no checkpoint to go on from.

        Raises
        ------
        ForeignCheckpointError
            From `fits`, or if the format is that of another version.
        OSError
            If a file cannot be read at all, which may pass.
        """
        for path in self.paths():
            try:
                header = verify(path)
            except DamagedCheckpointError as error:
                older = [other for other in self.paths() if other != path]
                rest = f"turns to the older '{older[0].name}'" if older else "begins anew, and comes to the same result"
                say(f"{error} The training {rest}. If this happens again, have the disk or the file system looked at.")
                set_aside(path)
                continue
            fits(path, header)
            return header, _read_state(path, load)
        return None

    def clear(self) -> None:
        """Remove every checkpoint, damaged ones and leftovers of broken writing too: the result is stored.

        What cannot be found or removed stays; nobody reads it any more.
        """
        with contextlib.suppress(OSError):
            for path in [*self.folder.glob(f"{CHECKPOINT}*"), *self.folder.glob(f".{CHECKPOINT}*")]:
                with contextlib.suppress(OSError):
                    path.unlink()

    def sweep(self) -> None:
        """Remove what killed writers left, unless it is so young that another may be writing it yet."""
        for path in self.folder.glob(f".{CHECKPOINT}*{TEMPORARY_SUFFIX}"):
            with contextlib.suppress(OSError):  # another has swept it just now
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()


def encode(header: Header, dump: Callable[[BinaryIO], None]) -> bytes:
    """Return what a checkpoint's file would hold."""
    stream = io.BytesIO()
    _encode(stream, header, dump)
    return stream.getvalue()


def _encode(stream: BinaryIO, header: Header, dump: Callable[[BinaryIO], None]) -> None:
    hashing = _Hashing(stream)
    hashing.write(_FORMAT)
    hashing.write(json.dumps(dataclasses.asdict(header)).encode() + b"\n")
    with zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).stream_writer(cast("BinaryIO", hashing), closefd=False) as compressed:
        dump(cast("BinaryIO", compressed))
    stream.write(hashing.digest.digest())


class _Hashing:
    """A stream that hashes what it passes on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._stream.write(data)

    def flush(self) -> None:
        """Leave flushing to the owner of the stream."""


def read_header(path: Path) -> Header:
    """Read what a checkpoint says of itself, without verifying the rest.

    Raises
    ------
    DamagedCheckpointError, ForeignCheckpointError
    """
    with path.open("rb") as stream:
        return _read_header(stream, path)


def _read_header(stream: BinaryIO, path: Path) -> Header:
    first = stream.readline(len(_FORMAT))
    if first != _FORMAT:
        if first.startswith(_FORMAT.rpartition(b" ")[0]):
            raise ForeignCheckpointError(f"'{path}' has the format of another version of rlhpc. {_REMEDY}")
        raise DamagedCheckpointError(f"'{path}' is damaged: it does not begin as a checkpoint does.")
    try:
        fields = json.loads(stream.readline())
        return Header(**{**fields, "training": Training(**fields["training"])})
    except (ValueError, TypeError, LookupError) as error:
        raise DamagedCheckpointError(f"'{path}' is damaged: its header cannot be read ({type(error).__name__}).") from error


def _read_state(path: Path, load: Callable[[BinaryIO], Any]) -> Any:
    """Read the state of a file that verifies and fits."""
    with path.open("rb") as stream:
        _read_header(stream, path)
        with zstandard.ZstdDecompressor().stream_reader(stream) as state:
            try:
                return load(cast("BinaryIO", io.BufferedReader(state)))
            except (OSError, MemoryError):
                raise
            except Exception as error:  # what was pickled may be called otherwise now
                raise ForeignCheckpointError(
                    f"'{path}' cannot be continued: {type(error).__name__}: {error}. {_REMEDY}"
                ) from error


def verify(path: Path) -> Header:
    """Check a whole file against its checksum, and return its header.

    Raises
    ------
    DamagedCheckpointError
        If its checksum does not match.
    ForeignCheckpointError
        If it does, and the file begins otherwise than ours: nothing is damaged then, something else has written it.
    """
    digest = hashlib.sha256()
    left = path.stat().st_size - _DIGEST_BYTES
    with path.open("rb") as stream:
        while left > 0 and (piece := stream.read(min(_PIECE_BYTES, left))):
            digest.update(piece)
            left -= len(piece)
        if left or stream.read() != digest.digest():
            raise DamagedCheckpointError(f"'{path}' is damaged: its checksum does not match.")
    try:
        return read_header(path)
    except DamagedCheckpointError as error:
        raise ForeignCheckpointError(f"'{path}' is whole, but has the header of another version of rlhpc. {_REMEDY}") from error


_REMEDY = "Go back to what it was made with, or delete it to begin this training anew."


def refuse_foreign(path: Path, header: Header, training: Training, versions: Mapping[str, str], device_type: str) -> None:
    """Refuse a checkpoint that another training, other packages or another kind of device has made.

    Raises
    ------
    ForeignCheckpointError
        With every difference.
    """
    faults = []
    if header.training.key != training.key:
        faults.append(f"it is of the training {header.training.name}, not of {training.name}")
    elif header.training != training:
        faults.append(f"its configuration differs: {difference(header.training, training)}")
    then, now = _comparable(header.versions), _comparable(versions)
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if names:
        changes = ", ".join(f"{name} {then.get(name)} -> {now.get(name)}" for name in names)
        faults.append(f"its packages differ: {changes}")
    if header.device.get("type") != device_type:
        faults.append(f"it was made on the device {header.device.get('type')}, and this is {device_type}")
    if faults:
        raise ForeignCheckpointError(f"'{path}' cannot be continued: {'; '.join(faults)}. {_REMEDY}")


def _comparable(versions: Mapping[str, str]) -> dict[str, str]:
    """Leave out what changes no number: Python's third, in which a host and an image may differ."""
    return {name: ".".join(version.split(".")[:2]) if name == "python" else version for name, version in versions.items()}
