"""The image that we run in, if any, as results name it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rlhpc.files import file_digest

ABOUT = "RLHPC_IMAGE"  # the SHA-256 of the image, and when that one was built
_IMAGE = Path(__file__).resolve().parents[2] / "image.json"  # there in an image alone: what it holds (containers/rlhpc.def)


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
        os.environ[ABOUT] = f"{file_digest(path)} {about['built_at']}"


def _path() -> str:
    """Return where the image lies on the host, as what runs it says."""
    return os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER", "")
