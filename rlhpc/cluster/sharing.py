"""Sharing: whether the nodes of a partition see the folder that results are written to."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from rlhpc.cluster.site import Site
from rlhpc.cluster.slurm import ask, outside_of_jobs
from rlhpc.errors import InputError, SlurmError
from rlhpc.files import TEMPORARY_SUFFIX, writable_folder

# Kinds of file systems that several machines share, as the kernel names them; of all others a node is asked, since the disk of
# a login node may well be what it exports to the nodes by NFS.
_SHARED = {
    "9p", "afs", "auristorfs", "beegfs", "bgfs", "ceph", "cifs", "coda", "cvmfs", "gfs2", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "quobyte", "smb3", "smbfs", "virtiofs", "vboxsf", "wekafs",
}  # fmt: skip
_SHARED_FUSE = {
    "beegfs", "beegfs-ondemand", "ceph", "ceph-fuse", "curvefs", "gcsfuse", "glusterfs", "juicefs", "moosefs", "mfs", "nfs",
    "orangefs", "quobyte", "s3fs", "saunafs", "seaweedfs", "sshfs", "vast", "wekafs",
}  # fmt: skip
_ESCAPED = re.compile(r"\\([0-7]{3})")  # blanks in the paths of mountinfo, proc(5)
_START_SECONDS = 10  # a node that is free starts the probe at once; later than this, the cluster is busy
_LOOKS = 5  # a second apart: what NFS has cached of a folder it looks at again soon
_END_SECONDS = 45.0
_SEEN, _HIDDEN = "rlhpc: seen", "rlhpc: hidden"  # a site's own prologue may print, too
_LOOK = f"""\
for look in $(seq {_LOOKS}); do test -e "$1" && echo "{_SEEN}" && exit; sleep 1; done
echo "{_HIDDEN} from $SLURMD_NODENAME"
"""
_OPTIONS = ("account", "qos", "reservation", "constraint", "nodelist", "exclude", "cluster-constraint", "licenses")
MOUNTINFO = Path("/proc/self/mountinfo")


def refuse_unshared(folder: Path, partition: str | None, site: Site, options: Mapping[str, object] | None = None) -> str:
    """Refuse a folder that the nodes of a partition do not see.

    Nothing is asked where its file system is of a kind that machines share; else a job of a second looks for a file in it.

    Parameters
    ----------
    folder : Path
        Made if missing.
    partition : str or None
        None: the site's default.
    site : Site
    options : mapping, optional
        What the user gives to sbatch, without dashes, such as ``account``.

    Returns
    -------
    str
        A warning where it could not be found out; blank where all is well.

    Raises
    ------
    InputError
        If a node does not see it.
    """
    if is_shared(folder) or is_this_host(site, partition):
        return ""
    return refuse_hidden(folder, partition, options)


def refuse_hidden(folder: Path, partition: str | None, options: Mapping[str, object] | None = None) -> str:
    """Ask a node whether it sees a folder; see `refuse_unshared`."""
    try:
        node = hidden_from(folder, partition, options)
    except SlurmError as error:
        return f"whether the nodes see '{folder}' was not found out: {error}"
    if node:
        raise InputError(
            f"The node {node} does not see the folder '{folder}', where results are to be written: give one on a file system that"
            " the nodes share, with logs_dir=..."
        )
    return ""


def hidden_from(folder: Path, partition: str | None, options: Mapping[str, object] | None = None) -> str:
    """Write a file to a folder and have a node of a partition look for it.

    Returns
    -------
    str
        The node that does not see it; blank if one does.

    Raises
    ------
    SlurmError
        If no node could be asked at once.
    """
    marker = writable_folder(folder).resolve() / f".seen.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    marker.touch()
    try:
        with outside_of_jobs():
            said = ask(
                "srun", *_asked(partition, options or {}), "sh", "-c", _LOOK, "sh", str(marker), timeout_seconds=_END_SECONDS
            )
    except SlurmError as error:
        raise SlurmError(
            f"no node of the partition could be asked within {_START_SECONDS} seconds ({_reason(error)})."
        ) from error
    finally:
        marker.unlink(missing_ok=True)
    if _SEEN in said:
        return ""
    if _HIDDEN not in said:
        raise SlurmError(f"the job that was to look for it said nothing of it: {said.strip() or 'nothing at all'}")
    return said.partition(f"{_HIDDEN} from ")[2].split()[0] if f"{_HIDDEN} from " in said else "that was asked"


def is_shared(folder: Path) -> bool:
    """Tell whether a folder lies on a file system of a kind that machines share."""
    return is_shared_kind(kind_of(folder, MOUNTINFO.read_text()))


def is_shared_kind(kind: str) -> bool:
    """Tell whether file systems of a kind are shared by machines; False of unknown ones."""
    name, _, fuse = kind.partition(".")
    return kind in _SHARED or (name == "fuse" and fuse in _SHARED_FUSE)


def kind_of(folder: Path, mountinfo: str) -> str:
    """Return the kind of the file system that a folder lies on, or would lie on if it were made.

    Parameters
    ----------
    folder : Path
    mountinfo : str
        ``/proc/self/mountinfo``.
    """
    path, found = folder.resolve(), ("", -1)
    for line in mountinfo.splitlines():
        mount, dash, source = line.partition(" - ")
        if dash:
            point = Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), mount.split()[4]))
            if path.is_relative_to(point) and len(point.parts) >= found[1]:  # of two on one folder, the later lies on top
                found = (source.split()[0], len(point.parts))
    return found[0]


def is_this_host(site: Site, partition: str | None) -> bool:
    """Tell whether a partition has no other node than this machine."""
    chosen = [site.partition(name) for name in (partition.split(",") if partition else [None])]
    names = {node.name for each in chosen if each for node in site.nodes_of(each.name)}
    return names == {socket.gethostname().partition(".")[0]}


def _asked(partition: str | None, options: Mapping[str, object]) -> Iterable[str]:
    """Spell what is asked of srun: the least that a job can be."""
    yield from (
        "--nodes=1",
        "--ntasks=1",
        "--time=1",
        "--mem=50M",
        "--input=none",
        "--chdir=/",
        "--job-name=rlhpc-probe",
        "--quiet",
    )
    yield f"--immediate={_START_SECONDS}"
    if partition:
        yield f"--partition={partition}"
    given = {name.strip("-").replace("_", "-"): value for name, value in options.items()}
    yield from (f"--{name}={given[name]}" for name in _OPTIONS if name in given)


def _reason(error: SlurmError) -> str:
    """Return the last that srun said."""
    return str(error).strip().splitlines()[-1].removeprefix("srun: ").removeprefix("error: ")
