"""Images: a container that jobs run in, looked at before anything is submitted, and how a command is run inside.

The host submits, hears Slurm's signals and requeues; inside there are no programs of Slurm, and nothing is asked of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlhpc import container
from rlhpc.cluster.host import find_runtime, what_forbids_namespaces
from rlhpc.errors import InputError
from rlhpc.files import file_digest

HOME = Path("/opt/rlhpc")  # of the repository's copy in an image
_VENV = Path("/opt/venv")  # its Python
# What mounts images is to be deaf to Slurm's signals: see there.
_DEAF = ("sh", "-c", 'PATH=$0:$PATH exec "$@"', str(Path(__file__).resolve().parents[2] / "containers" / "fuse"))
PYTHON = ("python", "-P")  # inside: the folder that we are in, which may hold another rlhpc, is not looked through for modules
_LOOK_SECONDS = 300.0  # on a host without squashfuse, a large image is unpacked before it starts
_SIF_MAGIC, _SIF_MAGIC_AT = b"SIF_MAGIC", 32
_NOT_IN_PATHS = ":,"  # they have a meaning in --bind
_QUOTED_LINES = 3  # of what Apptainer says
_KEEP_OUT = ("-e", "--cleanenv", "-c", "--contain", "-C", "--containall")
_TOLD = "rlhpc-image: "
# Told by the image's own Python: what it holds, and what is not to be seen or written inside.
_LOOK = f"""\
import importlib.util, json, os, platform, sys, tempfile
told = {{"python": platform.python_version(), "blind": [], "read_only": [], "missing": []}}
try:
    told.update(json.load(open({str(HOME / "image.json")!r})))
except OSError:
    told["version"] = None
asked = json.loads(sys.argv[1])
for path in asked["reads"] + asked["writes"]:
    if not os.path.exists(path):
        told["blind"].append(path)
    elif path in asked["writes"]:
        try:
            tempfile.TemporaryFile(dir=path).close()
        except OSError:
            told["read_only"].append(path)
for module in asked["modules"]:
    try:
        found = importlib.util.find_spec(module)
    except ImportError:
        found = None
    if found is None:
        told["missing"].append(module)
print({_TOLD!r} + json.dumps(told))
"""


@dataclass(frozen=True)
class ContainerConfig:
    """The container that trainings run in.

    Attributes
    ----------
    image : str or None
        An image, or a folder that one was unpacked to; None: they run on the host.
    binds : tuple of str
        Folders of the host that are to be seen inside, beside that of the results; ``SOURCE``, ``SOURCE:INSIDE`` or
        ``SOURCE:INSIDE:ro``.
    options : tuple of str
        More options of ``apptainer exec``, such as ``--nvccli``.
    """

    image: str | None = None
    binds: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def faults(self) -> Iterator[str]:
        """Yield what is not the user's to say."""
        for option in self.options:
            if option in _KEEP_OUT:
                yield f"container.options: {option} keeps out what Slurm tells its jobs, such as their GPUs: leave it out."


@dataclass(frozen=True)
class Image:
    """An image that was looked at.

    Attributes
    ----------
    path : Path
        Absolute.
    runtime : str
        The program that runs it, as PATH knows it: a node may have it elsewhere.
    config : ContainerConfig
        How it is run.
    folders : tuple of Path
        Of the host, that are seen inside at the same place, beside those of the configuration.
    version, python, torch, source_sha256, built_at : str
        Of rlhpc, of Python and of torch inside; of its source; when it was built.
    sha256 : str
        Of the file; blank for a folder that an image was unpacked to.
    """

    path: Path
    runtime: str
    config: ContainerConfig
    folders: tuple[Path, ...] = ()
    version: str = ""
    python: str = ""
    torch: str = ""
    source_sha256: str = ""
    built_at: str = ""
    sha256: str = ""

    def command(self, words: Sequence[str], *, has_gpus: bool = False) -> tuple[str, ...]:
        """Spell how a command is run inside; what it stores names the image, by `container.ABOUT` in its environment."""
        binds = [*(f"{folder}:{folder}" for folder in self.folders), *self.config.binds]
        return (
            *_DEAF,
            *(self.runtime, "--quiet", "--nocolor", "exec"),
            *(["--nv"] if has_gpus else []),
            *(word for bind in binds for word in ("--bind", bind)),
            *(["--env", f"{container.ABOUT}={self.sha256} {self.built_at}"] if self.sha256 else []),
            *self.config.options,
            str(self.path),
            *words,
        )


def look(config: ContainerConfig, writes: Sequence[Path] = (), reads: Sequence[Path] = (), modules: Sequence[str] = ()) -> Image:
    """Start an image here and look at it from inside.

    Parameters
    ----------
    config : ContainerConfig
        With an image.
    writes, reads : sequence of Path
        Folders that commands are to write to, and to read; they are bound.
    modules : sequence of str
        That it is to import.

    Raises
    ------
    InputError
        If it cannot be used: with every fault that can be told, and what to do.
    """
    path = Path(os.path.expanduser(config.image or "")).absolute()  # noqa: PTH111  # Path's own raises for unknown users
    faults = [*_of_file(path), *_of_binds(config.binds), *_of_paths([*writes, *reads])]
    runtime = find_runtime()
    if not runtime:
        faults.append("there is no apptainer (or singularity) on PATH here. Load its module, or launch from a node that has it.")
    if faults:
        raise InputError(*faults)
    image = Image(path, runtime, config, (*writes, *reads))
    asked = {"writes": list(map(str, writes)), "reads": list(map(str, reads)), "modules": list(modules)}
    told = _ask(image, [*PYTHON, "-c", _LOOK, json.dumps(asked)])
    if faults := list(_of_content(path, told)):
        raise InputError(*faults)
    return replace(
        image,
        version=str(told["version"]),
        python=str(told["python"]),
        torch=str(told.get("packages", {}).get("torch", "")),
        source_sha256=str(told.get("source_sha256", "")),
        built_at=str(told.get("built_at", "")),
        sha256=file_digest(path) if path.is_file() else "",
    )


def refuse_other(image: Image, version: str, root: Path) -> str:
    """Refuse an image that the rlhpc of this host cannot work with.

    The rule: both are of the same version, as they hand each other files; and of the same minor version of Python, since a
    training that was begun on one side is continued on the other, from a checkpoint of that Python.

    Parameters
    ----------
    image : Image
    version : str
        Of rlhpc here.
    root : Path
        Of its repository.

    Returns
    -------
    str
        A warning where the image is of the same version and of another source; blank where all is well.

    Raises
    ------
    InputError
        With every fault.
    """
    faults = []
    if image.version != version:
        faults.append(
            f"the image '{image.path}' holds rlhpc {image.version}, and this is {version}. Build it anew (bash"
            " containers/build.sh), or use the rlhpc that it was built from."
        )
    inside, here = (".".join(python.split(".")[:2]) for python in (image.python, platform.python_version()))
    if inside != here:
        faults.append(
            f"the image '{image.path}' has Python {image.python}, and here runs {platform.python_version()}: what was begun here"
            f" could not be continued inside. Install rlhpc anew here with Python {inside}: rm -r .venv && make install"
            f" PYTHON=python{inside}."
        )
    if faults:
        raise InputError(*faults)
    if image.source_sha256 == source_digest(root):
        return ""
    return f"the source of rlhpc in the image '{image.path}' is not the one here: trainings run as the image's does"


def source_digest(root: Path) -> str:
    """Return the SHA-256 of what decides a result: rlhpc, its jobs, their configurations, the versions of packages."""
    digest = hashlib.sha256()
    paths = [*(root / "rlhpc").rglob("*.py"), *(root / "jobs").glob("*.py"), *(root / "configs").rglob("*.yaml")]
    paths += [root / "constraints.txt"]
    for path in sorted(paths, key=lambda each: each.relative_to(root).as_posix()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _ask(image: Image, words: Sequence[str]) -> Mapping[str, Any]:
    """Run what looks around inside."""
    tried = shlex.join(image.command([*PYTHON, "--version"])[len(_DEAF) :])
    try:
        ran = subprocess.run(
            image.command(words), capture_output=True, text=True, timeout=_LOOK_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"the image '{image.path}' did not start within {_LOOK_SECONDS:.0f} seconds. Try: {tried}") from error
    told = [line for line in ran.stdout.splitlines() if line.startswith(_TOLD)]
    if "executable file not found" in ran.stderr:
        raise InputError(_no_rlhpc(image.path))
    if ran.returncode or not told:
        said = "; ".join(line.strip() for line in ran.stderr.strip().splitlines()[-_QUOTED_LINES:])
        forbidding = what_forbids_namespaces() if "namespace" in ran.stderr else ""
        why = f" This host forbids user namespaces ({forbidding}): Apptainer must be installed setuid." if forbidding else ""
        raise InputError(
            f"the image '{image.path}' cannot be run here: {said or f'exit code {ran.returncode}'}.{why} Try: {tried}"
        )
    found: Mapping[str, Any] = json.loads(told[-1].removeprefix(_TOLD))
    return found


def _of_file(path: Path) -> Iterator[str]:
    """Yield why a path is no image."""
    build = "Build one with 'bash containers/build.sh', or give its path"
    if not os.path.exists(path):  # noqa: PTH110  # Path.exists raises where a folder above is closed
        yield f"there is no image '{path}'. {build}."
    elif path.is_file():
        try:
            with path.open("rb") as stream:
                head = stream.read(_SIF_MAGIC_AT + len(_SIF_MAGIC))
        except OSError as error:
            yield f"the image '{path}' cannot be read: {error.strerror}."
            return
        if not head.endswith(_SIF_MAGIC):
            yield f"'{path}' is no Apptainer image. {build}."


def _of_binds(binds: Sequence[str]) -> Iterator[str]:
    for bind in binds:
        source = bind.partition(":")[0]
        if not os.path.exists(source):  # noqa: PTH110  # Path.exists raises where a folder above is closed
            yield f"container.binds: there is no '{source}' here."


def _of_paths(folders: Sequence[Path]) -> Iterator[str]:
    for folder in folders:
        if any(sign in str(folder) for sign in _NOT_IN_PATHS):
            yield f"the folder '{folder}' cannot be bound into an image: its path holds a colon or a comma. Give another."
        elif any(own.is_relative_to(folder) or folder.is_relative_to(own) for own in (HOME, _VENV)):
            yield f"the folder '{folder}' cannot be bound into an image: it would hide the image's own. Give another."


def _no_rlhpc(path: Path) -> str:
    return f"the image '{path}' holds no rlhpc ({HOME}). Build one with 'bash containers/build.sh'."


def _of_content(path: Path, told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an image that runs."""
    if told["version"] is None:
        yield _no_rlhpc(path)
        return
    for folder in told["blind"]:
        yield f"'{folder}' is not to be seen inside the image; it was bound, which this site may forbid (user bind control)."
    for folder in told["read_only"]:
        yield f"nothing can be written to '{folder}' inside the image: give a folder that you may write to."
    for module in told["missing"]:
        yield (
            f"the module '{module}' is not to be found inside the image: set PYTHONPATH to its folder, and bind that with"
            " container.binds=[...]."
        )
