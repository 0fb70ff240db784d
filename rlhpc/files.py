"""Files: JSON and text, every write atomic.

A reader never sees half a file: each write goes to a temporary name of its own in the same folder, is flushed to the disk,
and is then renamed (or linked, where an existing file must not be replaced). No locks: shared file systems lie about them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rlhpc.container import forgets
from rlhpc.errors import InputError, StorageError

TEMPORARY_SUFFIX = ".tmp"
_ASIDE = ".damaged-"  # and something of its own
# What a file system answers when nothing can be written any more, or nothing can be read; or what is wrong with one file.
_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)


def is_storage_error(error: BaseException) -> bool:
    """Tell whether an error, or its cause, may mean that files can no longer be written; only writing shows whether it does."""
    return any(isinstance(link, OSError) and link.errno in _STORAGE_ERRORS for link in (error, error.__cause__))


@contextlib.contextmanager
def atomic_write(path: Path, *, exclusive: bool = False, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a binary file that takes its name only when the block ends without an error.

    Parameters
    ----------
    path : Path
        The name to take; its folder is made if missing.
    exclusive : bool
        Refuse to replace an existing file.
    durable : bool
        Wait until the disk has it. Without, a power cut may leave the file empty or as it was: for what is written again soon.

    Raises
    ------
    FileExistsError
        With ``exclusive``, if the file exists when the block ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        if exclusive:
            os.link(temporary, path)  # unlike rename, fails where the name is taken
        else:
            temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Flush a folder, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str, *, exclusive: bool = False, durable: bool = True) -> Path:
    """Write UTF-8 text atomically and return its path."""
    with atomic_write(path, exclusive=exclusive, durable=durable) as stream:
        stream.write(text.encode())
    return path


def user_cache() -> Path | None:
    """Return the folder for what this user may lose; None where no home is known. ``XDG_CACHE_HOME`` chooses another."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    with contextlib.suppress(RuntimeError):  # no home is known
        return (given if given.is_absolute() else Path.home() / ".cache") / "rlhpc"  # a relative one is to be ignored, by XDG
    return None


def write_json(path: Path, value: Any, *, exclusive: bool = False, durable: bool = True) -> Path:
    """Write a value as readable JSON, atomically; NaN and infinity are refused.

    Raises
    ------
    ValueError
        If the value holds a float that JSON does not know.
    """
    return write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n", exclusive=exclusive, durable=durable)


def canonical_json(value: Any) -> str:
    """Spell a value as JSON in the one way that hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_temporary(name: str) -> bool:
    """Tell whether a name is that of a file that was being written when its writer was killed."""
    return name.startswith(".") and name.endswith(TEMPORARY_SUFFIX)


def set_aside(path: Path) -> Path | None:
    """Keep a damaged file under another name, and return that; None if it has gone, because another process was faster."""
    try:
        return path.rename(path.with_name(f"{path.name}{_ASIDE}{uuid.uuid4().hex[:8]}"))
    except FileNotFoundError:
        return None


def is_set_aside(name: str) -> bool:
    """Tell whether a name is that of a damaged file that was kept."""
    return _ASIDE in name


def try_writing(folder: Path, n_bytes: int) -> None:
    """Try whether a file of some size can be written to a folder; nothing is left of it.

    Raises
    ------
    OSError
        If it cannot.
    """
    probe = folder / f".probe.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        with probe.open("xb") as stream:
            os.posix_fallocate(stream.fileno(), 0, n_bytes)
            os.fsync(stream.fileno())
    finally:
        probe.unlink(missing_ok=True)


def writable_folder(path: Path) -> Path:
    """Make a folder, prove that it can be written, and return it.

    Raises
    ------
    StorageError
        If the disk is full, read-only or broken.
    InputError
        If it cannot be made or written for another reason of the system's, which is told; or is gone with the container.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        try_writing(path, 1)
        if forgets(path):
            raise InputError(
                f"the folder '{path}' lies in the memory of this container, and all in it would be gone at its end. Bind a folder"
                ' of the host and write there: apptainer run --bind "$PWD/out:/out" ... with logs_dir=/out, or --out /out/mine.'
            )
    except OSError as error:
        message = f"cannot write to the folder '{path}': {error.strerror or error}. "
        if is_storage_error(error):
            raise StorageError(
                f"{message}Free space, or mend the file system, and start again; or give another folder."
            ) from error
        mend = ", or mend its permissions" if isinstance(error, PermissionError) else ""
        raise InputError(f"{message}Give another folder{mend}.") from error
    return path
