"""The image that we run in, if any: what results say of it, and what is gone with it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rlhpc.mounts import Mount, mounts

ABOUT = "RLHPC_IMAGE_IDENTITY"  # the SHA-256 of the image, and when that one was built
MAY_FORGET = "RLHPC_MAY_FORGET"  # set: what is written may be gone with the container, as where an image is tested
_IMAGE = Path(__file__).resolve().parents[1] / "image.json"  # there in an image alone: what it holds (containers/rlhpc.def)
_ITS_OWN_FILES = (Path("/etc/passwd"), Path("/etc/group"), Path("/etc/resolv.conf"))


def describe() -> dict[str, Any]:
    """Describe the image; empty on the host.

    Its SHA-256 is blank where nobody knows it: in a folder that an image was unpacked to, in an image that was put in the place
    of the one that was submitted, and where the file is not seen from inside.
    """
    if not _IMAGE.exists():
        return {}
    about: dict[str, Any] = json.loads(_IMAGE.read_text())
    sha256, _, built_at = os.environ.get(ABOUT, "").partition(" ")
    return {"image": _path(), "sha256": sha256 if built_at == about["built_at"] else "", **about}


def identify() -> None:
    """Take the SHA-256 of the image, if nobody has and its file is seen from inside; this process and its children know it."""
    about = describe()
    if not about or about["sha256"]:
        return
    path = Path(about["image"])
    if about["image"] and path.is_file() and os.access(path, os.R_OK):
        with path.open("rb") as stream:
            os.environ[ABOUT] = f"{hashlib.file_digest(stream, 'sha256').hexdigest()} {about['built_at']}"


def limits() -> str:
    """Say in a sentence what is not to be had inside, for who meets an error there; blank on the host."""
    if not _IMAGE.exists():
        return ""
    return (
        f"Inside the image {_path()}: of the host's folders only those that are bound are here (your home, /tmp and where you"
        " are, unless shut off, and --bind FOLDER), its GPUs only with --nv, and no Slurm: submit from the host (--container)."
        f" The configurations are in {_IMAGE.parent}/configs."
    )


def forgets(folder: Path) -> bool:
    """Tell whether what is written to a folder is gone with the container that we run in."""
    if not _IMAGE.exists() or os.environ.get(MAY_FORGET):
        return False
    device = folder.stat().st_dev
    return f"{os.major(device)}:{os.minor(device)}" in _own_memory(mounts())


def _own_memory(mounted: Iterable[Mount]) -> Iterator[str]:
    """Yield the devices that hold what Apptainer keeps in memory: its own files, and with them homes, /tmp or changes of /."""
    kept_in_memory = "/tmpfs/"  # noqa: S108  # in the options of an overlay
    for mount in mounted:
        is_own_file = mount.kind == "tmpfs" and mount.point in _ITS_OWN_FILES
        if is_own_file or (mount.kind == "overlay" and mount.point == Path("/") and kept_in_memory in mount.options):
            yield mount.device


def _path() -> str:
    """Return where the image lies on the host, as what runs it says."""
    return os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER", "")
