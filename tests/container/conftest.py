"""The image, built once by an ordinary user as a user builds it, and that user, who also runs it.

What was built before saves minutes: RLHPC_IMAGE, RLHPC_BASE and RLHPC_WHEELHOUSE name an image of this tree, a base of
containers/make_base.sh and a folder of packages. All must be readable by everybody.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ABSENT = "absent: "  # as in ../conftest.py
SOURCES = ("rlhpc", "jobs", "configs", "slurm", "containers", "pyproject.toml", "constraints.txt", "README.md", "LICENSE")
# What a tree that was worked in holds, and an image must not.
JUNK = ("rlhpc/__pycache__/junk.pyc", "jobs/logs/junk", "rlhpc/.mypy_cache/junk", "slurm/slurm-1.out")
PASSED_ON = ("PIP_", "APPTAINER_", "TMPDIR", "MIRROR", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class User:
    """An ordinary user: one made for the tests where they run as root, else ourselves.

    Attributes
    ----------
    name : str
    home : Path
    """

    name: str
    home: Path

    @property
    def uid(self) -> int:
        """The user's number."""
        return pwd.getpwnam(self.name).pw_uid

    def command(self, *words: object, env: Mapping[str, str] | None = None) -> list[str]:
        """Return a command as this user starts it, with few variables of ours."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        path = "/usr/local/bin:/usr/bin:/bin" if os.getuid() == 0 else os.environ["PATH"]  # root's may be closed to others
        variables = {"HOME": str(self.home), "PATH": path, **kept, **(env or {})}
        become = ["runuser", "-u", self.name, "--"] if os.getuid() == 0 else []
        return [*become, "env", "-i", *(f"{name}={value}" for name, value in variables.items()), *map(str, words)]

    def run(self, *words: object, code: int | None = 0, cwd: Path | None = None, env: Mapping[str, str] | None = None):
        """Run a command as this user; return what it printed, once its exit code was seen to be right; None: any."""
        done = subprocess.run(
            self.command(*words, env=env), cwd=cwd or self.home, capture_output=True, text=True, check=False, timeout=1800
        )
        assert code in (None, done.returncode), f"{words}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def own(self, path: Path) -> Path:
        """Give a file or folder of ours to this user."""
        for each in [path, *path.rglob("*")]:
            os.chown(each, self.uid, -1)
        return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.container)


def need_rights(user: User) -> None:
    """Skip where this machine lets an ordinary user run no image."""
    words = ("sh", "-c", "test -r /dev/fuse && test -w /dev/fuse && unshare --user true")
    if subprocess.run(user.command(*words), capture_output=True, check=False, cwd="/").returncode:
        pytest.skip(f"{ABSENT}the right of ordinary users to /dev/fuse or to user namespaces")


@pytest.fixture(scope="session")
def user() -> Iterator[User]:
    """The ordinary user; skip where there is no Apptainer."""
    if shutil.which("apptainer") is None:
        pytest.skip(f"{ABSENT}Apptainer (Debian 12: bash .ci/install_apptainer.sh)")
    if os.getuid():
        ourselves = User(pwd.getpwuid(os.getuid()).pw_name, Path.home())
        need_rights(ourselves)
        yield ourselves
        return
    name = f"rlhpc{os.getpid()}"
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
    made = User(name, Path(pwd.getpwnam(name).pw_dir))
    need_rights(made)
    yield made
    # What mounts an image ends a moment after the image's processes, and userdel waits for nobody.
    for _ in range(20):
        if subprocess.run(["userdel", "--remove", name], capture_output=True, check=False).returncode != 8:
            break
        time.sleep(0.5)


@pytest.fixture(scope="session")
def workplace(user: User) -> Iterator[Path]:
    """A folder of the user's; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="rlhpc-container-"))
    folder.chmod(0o755)
    yield user.own(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder(user: User, workplace: Path) -> Path:
    """A new folder of the user's, for one test."""
    made = Path(tempfile.mkdtemp(dir=workplace))
    made.chmod(0o755)
    return user.own(made)


@pytest.fixture(scope="session")
def tree(user: User, workplace: Path) -> Path:
    """A copy of what containers/build.sh needs of the repository, with junk in it, that the user may read."""
    copy = workplace / "tree"
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))  # others write there now
        else:
            shutil.copy(ROOT / name, copy / name)
    for name in JUNK:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("junk")
    return user.own(copy)


@pytest.fixture(scope="session")
def base(user: User, workplace: Path, tree: Path) -> Path:
    """A base image of Debian packages alone."""
    if given := os.environ.get("RLHPC_BASE"):
        return Path(given).resolve()
    if shutil.which("mmdebstrap") is None:
        pytest.skip(f"{ABSENT}mmdebstrap (apt-get install mmdebstrap)")
    made = workplace / "base.tar"
    user.run("bash", tree / "containers/make_base.sh", made)
    return made


@pytest.fixture(scope="session")
def bare_image(user: User, workplace: Path, base: Path) -> Path:
    """An image of the base alone, without rlhpc: made in seconds, for tests of command lines."""
    made = workplace / "bare.sif"
    user.run("apptainer", "build", made, f"docker-archive:{base}")
    return made


@pytest.fixture(scope="session")
def _build(user: User, workplace: Path, request: pytest.FixtureRequest) -> tuple[Path, str | None]:
    """The image and what its build printed; None where it was built before."""
    if given := os.environ.get("RLHPC_IMAGE"):
        return Path(given).resolve(), None
    base, tree = request.getfixturevalue("base"), request.getfixturevalue("tree")
    made = workplace / "rlhpc.sif"
    wheelhouse = os.environ.get("RLHPC_WHEELHOUSE", workplace / "wheelhouse")
    done = user.run("bash", tree / "containers/build.sh", made, "--base", base, "--wheelhouse", wheelhouse)
    with contextlib.suppress(OSError):
        (workplace / "build.log").write_text(done.stdout + done.stderr)
    return made, done.stdout + done.stderr


@pytest.fixture(scope="session")
def image(_build: tuple[Path, str | None]) -> Path:
    """The image of rlhpc."""
    return _build[0]


@pytest.fixture(scope="session")
def build_log(_build: tuple[Path, str | None]) -> str | None:
    """What building it printed; None where it was built before."""
    return _build[1]
