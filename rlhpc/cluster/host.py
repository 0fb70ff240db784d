"""The host that a launch is started on, and the file system that results go to: room, quota, Apptainer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rlhpc.cluster.checks import Request
from rlhpc.cluster.finding import Finding, Severity
from rlhpc.files import try_writing
from rlhpc.mounts import mount_of, mounts

_QUOTA_SECONDS = 20.0
_COLUMNS = 9  # of `quota -wp`: file system, KB, soft, hard, grace, files, soft, hard, grace
_SCARCE = 0.8  # of what is left; others write, too
_BYTES_PER_GB = 1e9
# What forbids an ordinary user to make a user namespace: file of the kernel's settings -> its value then.
_FORBIDS_NAMESPACES = {
    "/proc/sys/user/max_user_namespaces": "0",
    "/proc/sys/kernel/unprivileged_userns_clone": "0",  # Debian's kernels
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",  # Ubuntu's
}


@dataclass(frozen=True)
class Room:
    """What may still be written to a file system.

    Attributes
    ----------
    by : str
        What sets the limit.
    gigabytes, n_files : float or None
        None: it sets none.
    """

    by: str
    gigabytes: float | None
    n_files: float | None


@dataclass(frozen=True)
class Host:
    """What was found on this host.

    Attributes
    ----------
    folder : Path
        That results go to.
    rooms : tuple of Room
    apptainer : str
        Its name on PATH; blank without.
    forbids_namespaces : str
        The kernel's setting that forbids user namespaces; blank if none does.
    fault : str
        Why nothing can be written to the folder, or to where it is to be made; blank if something can.
    """

    folder: Path
    rooms: tuple[Room, ...]
    apptainer: str
    forbids_namespaces: str
    fault: str = ""


def read_host(folder: Path) -> Host:
    """Look at this host, and at the file system of a folder, which need not be there yet."""
    there = nearest_folder(folder)
    found = os.statvfs(there)
    free = Room("the file system", found.f_bavail * found.f_frsize / _BYTES_PER_GB, found.f_favail if found.f_files else None)
    quota = parse_quota(_ask_quota(), mount_of(there, mounts()).source)
    return Host(folder, (free, *quota), find_runtime(), what_forbids_namespaces(), _writing_fault(there))


def find_runtime() -> str:
    """Return the name of the program that runs images; blank where there is none."""
    return next(filter(shutil.which, ("apptainer", "singularity")), "")


def what_forbids_namespaces() -> str:
    """Return the kernel's setting that keeps an ordinary user from making user namespaces; blank if none does."""
    return next((path for path, value in _FORBIDS_NAMESPACES.items() if _read(Path(path)) == value), "")


def nearest_folder(folder: Path) -> Path:
    """Return a folder, or the nearest above it that is there."""
    resolved = folder.resolve()
    return next(each for each in (resolved, *resolved.parents) if os.path.exists(each))  # noqa: PTH110  # Path.exists may raise


def _writing_fault(there: Path) -> str:
    """Try to write to a folder; leave nothing in it."""
    try:
        try_writing(there, 1)
    except OSError as error:
        return f"of '{there}' the system says: {error.strerror or error}"
    return ""


def parse_quota(text: str, source: str) -> Iterator[Room]:
    """Read what ``quota -wp`` says of the file system that a source is mounted from."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == _COLUMNS and words[0] == source:
            used_kb, soft_kb, hard_kb, _, used, soft, hard, _ = (int(word.rstrip("*")) for word in words[1:])
            kb, files = (_least(soft_kb, hard_kb), _least(soft, hard))
            yield Room(
                "your quota",
                None if kb is None else max(kb - used_kb, 0) * 1024 / _BYTES_PER_GB,
                None if files is None else max(files - used, 0),
            )


def findings(host: Host, request: Request) -> list[Finding]:
    """Find whether results can be written, whether there is room for them, and what an image would need. Pure."""
    if host.fault:
        what = f"Nothing can be written to the folder of the results, '{host.folder}' ({host.fault})."
        remedy = "Give a folder that you can write to, with logs_dir=..."
        return [Finding("results_folder", Severity.REFUSED, what, remedy), _of_apptainer(host)]
    return [*_of_room(host, request), _of_apptainer(host)]


def _of_room(host: Host, request: Request) -> Iterator[Finding]:
    wanted = {"space": (request.gigabytes, "GB", "GB"), "files": (float(request.n_files), "files and folders", "of them")}
    for name, (needed, unit, unit_left) in wanted.items():
        lefts = [(room.gigabytes if name == "space" else room.n_files, room.by) for room in host.rooms]
        known = [(left, by) for left, by in lefts if left is not None]
        if not known:
            continue
        left, by = min(known)
        what = (
            f"The trainings write up to {_spell(needed)} {unit} to '{host.folder}', and {by} has room for"
            f" {_spell(left)} {unit_left}"
        )
        remedy = "Make room, or give another file system with logs_dir=..."
        if needed > left:
            yield Finding(name, Severity.REFUSED, f"{what}: it will run full.", remedy)
        elif needed > _SCARCE * left:
            yield Finding(name, Severity.WARNING, f"{what}: it will be nearly full.", remedy)
        else:
            yield Finding(name, Severity.GOOD, f"{what}.")


def _of_apptainer(host: Host) -> Finding:
    if not host.apptainer:
        return Finding("apptainer", Severity.NOTE, "There is no Apptainer on PATH.", "Without --container none is needed.")
    if host.forbids_namespaces:
        what = f"Apptainer is on PATH, and this host forbids user namespaces ({host.forbids_namespaces})."
        return Finding("apptainer", Severity.NOTE, what, "Images run if Apptainer was installed setuid.")
    return Finding("apptainer", Severity.GOOD, "Apptainer is on PATH, and user namespaces are allowed.")


def _ask_quota() -> str:
    """Return what `quota` says; nothing where it is missing or fails."""
    try:
        asked = ("quota", "--no-wrap", "--raw-grace")
        # it ends with 1 for who is over the quota
        return subprocess.run(asked, capture_output=True, text=True, timeout=_QUOTA_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _least(*limits: int) -> int | None:
    """Return the least limit; 0 is none."""
    return min((limit for limit in limits if limit), default=None)


def _spell(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
