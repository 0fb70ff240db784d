"""Sharing: whether the nodes of a partition see the folder that results are written to, and the Python that is to write them."""

from __future__ import annotations

import socket
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rlhpc.cluster import probe
from rlhpc.cluster.file_systems import is_shared
from rlhpc.cluster.image import PYTHON as IMAGE_PYTHON
from rlhpc.cluster.image import Image
from rlhpc.cluster.site import Site
from rlhpc.errors import InputError, SlurmError
from rlhpc.files import TEMPORARY_SUFFIX, writable_folder

_LOOKS = 5  # a second apart: what NFS has cached of a folder it looks at again soon
_IMAGE_GB = 2  # to unpack one, where nothing can mount it
_TOLD, _DONE = "rlhpc: ", "done"  # a site's own prologue may print, too
_FAILS = "fails "
# What a file is not seen for at once, it may be a second later: NFS looks again soon. Words: how many paths, these, a command.
_LOOK = f"""\
echo "{_TOLD}$SLURMD_NODENAME"
for n in $(seq "$1"); do
  shift
  for look in $(seq {_LOOKS}); do test -e "$1" && continue 2; sleep 1; done
  echo "{_TOLD}$1"
done
shift
test $# = 0 || said=$("$@" 2>&1) || echo "{_TOLD}{_FAILS}exit code $?, $(echo "$said" | tail -n 2 | tr '\\n' ' ')"
echo "{_TOLD}{_DONE}"
"""
PYTHON = Path(sys.executable)  # that elements are started with, too


def refuse_unshared(
    folder: Path,
    partition: str | None,
    site: Site,
    options: Mapping[str, object] | None = None,
    image: Image | None = None,
) -> str:
    """Refuse a folder for results, a Python that we run in, and an image, that the nodes of a partition do not see.

    Nothing is asked where there is no image, and folder and Python lie on file systems of a kind that machines share; else a job
    of a second looks for them.

    Parameters
    ----------
    folder : Path
        Made if missing.
    partition : str or None
        None: the site's default.
    site : Site
    options : mapping, optional
        What the user gives to sbatch, without dashes, such as ``account``.
    image : Image, optional
        That trainings run in.

    Returns
    -------
    str
        A warning where it could not be found out; blank where all is well.

    Raises
    ------
    InputError
        If a node does not see one of them.
    """
    if is_this_host(site, partition) or (image is None and is_shared(folder) and is_shared(PYTHON)):
        return ""
    try:
        seen = look(folder, partition, options, image)
    except SlurmError as error:
        return f"whether the nodes see '{folder}' was not found out: {error}"
    if faults := tuple(seen.faults()):
        raise InputError(*faults)
    return ""


@dataclass(frozen=True)
class Seen:
    """What a node sees.

    Attributes
    ----------
    node : str
    folder : Path
        For results.
    hidden : frozenset of Path
        What it does not see: the folder, `PYTHON`, or the image.
    image : Path or None
        That was looked for.
    image_fault : str
        What it says where it cannot run the image; blank if it can.
    """

    node: str
    folder: Path
    hidden: frozenset[Path] = frozenset()
    image: Path | None = None
    image_fault: str = ""

    def faults(self) -> Iterator[str]:
        """Yield what has to be changed, one sentence each."""
        if self.folder in self.hidden:
            yield (
                f"The node {self.node} does not see the folder '{self.folder}', where results are to be written: give one on a"
                " file system that the nodes share, with logs_dir=..."
            )
        if PYTHON in self.hidden:
            yield (
                f"The node {self.node} does not see the Python '{PYTHON}', with which this was started: install rlhpc on a file"
                " system that the nodes share."
            )
        if self.image in self.hidden:
            yield f"The node {self.node} does not see the image '{self.image}': keep it on a file system that the nodes share."
        elif self.image_fault:
            yield (
                f"The node {self.node} cannot run the image '{self.image}' ({self.image_fault}): if Apptainer is a module there,"
                " load it in slurm.setup, which is then trusted; or name nodes that have it (slurm.options.constraint), or ask"
                " your administrators for it."
            )


def look(folder: Path, partition: str | None, options: Mapping[str, object] | None = None, image: Image | None = None) -> Seen:
    """Write a file to a folder and have a node of a partition look for it, for our Python, and try an image if there is one.

    Raises
    ------
    SlurmError
        If no node could be asked at once.
    """
    marker = writable_folder(folder).resolve() / f".seen.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    marker.touch()
    paths = {str(marker): folder, str(PYTHON): PYTHON} | ({str(image.path): image.path} if image else {})
    tried = image.command((*IMAGE_PYTHON, "--version")) if image else ()
    look_around = ("sh", "-c", _LOOK, "sh", str(len(paths)), *paths, *tried)
    try:
        said = probe.run(look_around, partition, options, memory_gb=_IMAGE_GB if image else 0)
    finally:
        marker.unlink(missing_ok=True)
    told = [line.removeprefix(_TOLD) for line in said.splitlines() if line.startswith(_TOLD)]
    if not told or told[-1] != _DONE:
        raise SlurmError(f"the job that was to look for it did not tell: {said.strip() or 'it said nothing'}.")
    fails = next((each.removeprefix(_FAILS).strip(" ,") for each in told[1:-1] if each.startswith(_FAILS)), "")
    fails = fails.replace(": ", ", ")  # a colon divides what is wrong from what to do
    hidden = frozenset(paths[each] for each in told[1:-1] if each in paths)
    return Seen(told[0], folder, hidden, image.path if image else None, fails)


def is_this_host(site: Site, partition: str | None) -> bool:
    """Tell whether a partition has no other node than this machine."""
    chosen = [site.partition(name) for name in (partition.split(",") if partition else [None])]
    names = {node.name for each in chosen if each for node in site.nodes_of(each.name)}
    return names == {socket.gethostname().partition(".")[0]}
