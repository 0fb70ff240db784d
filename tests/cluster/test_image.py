"""Images are looked at before anything is submitted. Apptainer is a stand-in here; tests/container has the real one."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from rlhpc import __version__
from rlhpc.cluster import image as module
from rlhpc.cluster.image import ContainerConfig, Image, look, refuse_other, source_digest
from rlhpc.errors import InputError

SIF = b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0" + bytes(100)
RUN = 'for word; do shift; case $word in *.sif) exec "$@";; esac; done'  # the words behind the image, here


@pytest.fixture
def apptainer(tmp_path, monkeypatch):
    """Put a stand-in for Apptainer on PATH, beside the Python that runs us; return what makes another of it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "python").chmod(0o755)

    def make(text=RUN):
        path = folder / "apptainer"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    make()
    return make


@pytest.fixture
def sif(tmp_path, monkeypatch, root):
    """Return an image whose content is that of this repository."""
    path = tmp_path / "rlhpc.sif"
    path.write_bytes(SIF)
    home = tmp_path / "home"
    home.mkdir()
    (home / "image.json").write_text(json.dumps({"version": __version__, "source_sha256": source_digest(root)}))
    monkeypatch.setattr(module, "_LOOK", module._LOOK.replace("/opt/rlhpc", str(home)))
    return path


def faults(config, *args, **how):
    with pytest.raises(InputError) as caught:
        look(config, *args, **how)
    return caught.value.faults


def test_what_an_image_holds_is_told_by_itself_and_its_checksum_is_the_files(apptainer, sif, root):
    found = look(ContainerConfig(str(sif)))
    assert (found.path, found.version, found.python) == (sif, __version__, platform.python_version())
    assert found.sha256 == hashlib.sha256(SIF).hexdigest()
    assert refuse_other(found, __version__, root) == ""


def test_everything_that_keeps_an_image_from_being_tried_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    none, a_folder, no_apptainer = faults(ContainerConfig(str(tmp_path / "none.sif")), [Path("/a:b")])
    assert none.startswith(f"there is no image '{tmp_path}/none.sif'. Build one with 'bash containers/build.sh'")
    assert "'/a:b' cannot be bound" in a_folder
    assert "no apptainer" in no_apptainer


def test_a_file_that_is_no_image_is_refused_by_its_first_bytes(apptainer, tmp_path):
    path = tmp_path / "rlhpc.sif"
    path.write_bytes(b"not this one")
    assert faults(ContainerConfig(str(path))) == (
        f"'{path}' is no Apptainer image. Build one with 'bash containers/build.sh', or give its path.",
    )


def test_an_image_that_does_not_run_is_refused_in_apptainers_words_with_what_to_try(apptainer, sif, monkeypatch):
    apptainer("echo 'FATAL: Failed to create user namespace' >&2; exit 255")
    monkeypatch.setattr(module, "what_forbids_namespaces", lambda: "/proc/sys/user/max_user_namespaces")
    (fault,) = faults(ContainerConfig(str(sif)))
    assert "cannot be run here: FATAL: Failed to create user namespace." in fault
    assert "forbids user namespaces (/proc/sys/user/max_user_namespaces): Apptainer must be installed setuid" in fault
    assert "Try: apptainer " in fault
    apptainer("echo 'FATAL: unknown flag' >&2; exit 1")
    assert "setuid" not in faults(ContainerConfig(str(sif)))[0]


def test_an_image_that_does_not_start_in_time_is_refused(apptainer, sif, monkeypatch):
    apptainer("exec sleep 60")
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.2)
    assert "did not start within" in faults(ContainerConfig(str(sif)))[0]


def test_an_image_without_rlhpc_is_refused(apptainer, sif, monkeypatch):
    monkeypatch.setattr(module, "_LOOK", module._LOOK.replace("image.json", "none.json"))
    assert "holds no rlhpc" in faults(ContainerConfig(str(sif)))[0]


def test_an_image_without_python_holds_no_rlhpc(apptainer, sif):
    apptainer("""echo 'FATAL: "python": executable file not found in $PATH' >&2; exit 255""")
    assert "holds no rlhpc" in faults(ContainerConfig(str(sif)))[0]


def test_what_is_not_seen_not_written_and_not_found_inside_is_told_at_once(apptainer, sif, tmp_path):
    hidden = tmp_path / "hidden"
    found = faults(ContainerConfig(str(sif)), [hidden, Path("/proc")], [Path("/none")], modules=["json", "no_such_module"])
    assert found[0].startswith("'/none' is not to be seen inside the image")
    assert found[1].startswith(f"'{hidden}' is not to be seen inside the image")
    assert found[2].startswith("nothing can be written to '/proc' inside")
    assert found[3].startswith("the module 'no_such_module' is not to be found inside")
    assert len(found) == 4


def test_another_version_of_rlhpc_or_python_is_refused_and_another_source_is_a_warning(root):
    same = Image(Path("x.sif"), "apptainer", ContainerConfig(), version=__version__, python=platform.python_version())
    assert "the source of rlhpc in the image 'x.sif' is not the one here" in refuse_other(same, __version__, root)
    other = Image(Path("x.sif"), "apptainer", ContainerConfig(), version="9.0", python="3.7.1")
    with pytest.raises(InputError) as caught:
        refuse_other(other, __version__, root)
    version, python = caught.value.faults
    assert f"holds rlhpc 9.0, and this is {__version__}" in version
    assert f"has Python 3.7.1, and here runs {platform.python_version()}" in python


def test_a_command_inside_has_binds_gpus_and_the_images_checksum():
    config = ContainerConfig("x.sif", ("/data:/data:ro",), ("--nvccli",))
    image = Image(Path("/x.sif"), "/bin/apptainer", config, (Path("/logs/my grid"),), sha256="abc", built_at="2026")
    words = image.command(("python", "-c", "pass"), has_gpus=True)
    assert list(words[4:]) == [
        *("/bin/apptainer", "--quiet", "--nocolor", "exec", "--nv"),
        *("--bind", "/logs/my grid:/logs/my grid", "--bind", "/data:/data:ro"),
        *("--env", "RLHPC_IMAGE_IDENTITY=abc 2026", "--nvccli", "/x.sif", "python", "-c", "pass"),
    ]
    assert "--nv" not in image.command(("true",))


def test_folders_that_would_hide_what_the_image_holds_are_refused(apptainer, sif, monkeypatch):
    monkeypatch.setattr(module, "HOME", Path("/opt/rlhpc"))
    found = faults(ContainerConfig(str(sif)), [Path("/"), Path("/opt"), Path("/opt/venv/data")])
    assert ["it would hide the image's own" in fault for fault in found] == [True] * 3


def test_options_that_keep_slurms_words_out_are_refused():
    (fault,) = ContainerConfig("x.sif", options=("--nvccli", "--containall")).faults()
    assert "--containall keeps out what Slurm tells its jobs" in fault


def test_binds_of_nothing_are_refused(apptainer, sif, tmp_path):
    config = ContainerConfig(str(sif), (f"{tmp_path}/none:/data", f"{tmp_path}:/there"))
    assert faults(config) == (f"container.binds: there is no '{tmp_path}/none' here.",)


def test_a_path_that_cannot_be_looked_at_is_told_as_missing():
    with pytest.raises(InputError, match=r"there is no image '.*~nosuchuser/x\.sif'"):
        look(ContainerConfig("~nosuchuser/x.sif"))


def test_what_mounts_an_image_is_started_deaf_to_the_signals_of_slurm(root, tmp_path):
    stand_in = tmp_path / "squashfuse"
    stand_in.write_text('#!/bin/sh\necho "$@"; grep SigIgn /proc/self/status\n')
    stand_in.chmod(0o755)
    env = {"PATH": f"{root}/containers/fuse:{tmp_path}:/usr/bin:/bin"}
    told = subprocess.run(["squashfuse", "-o", "ro"], env=env, capture_output=True, text=True, check=True).stdout
    words, ignored = told.splitlines()
    assert words == "-o ro"
    assert {bit + 1 for bit in range(32) if int(ignored.split()[1], 16) >> bit & 1} >= {10, 12, 15}  # USR1, USR2, TERM


def test_the_source_digest_knows_every_change(tmp_path):
    for path in ("rlhpc/a.py", "rlhpc/b/c.py", "jobs/d.py", "jobs/e.txt", "configs/f/g.yaml", "constraints.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("1")
    before = source_digest(tmp_path)
    (tmp_path / "jobs/e.txt").write_text("2")
    assert source_digest(tmp_path) == before
    (tmp_path / "configs/f/g.yaml").write_text("2")
    assert source_digest(tmp_path) != before
    (tmp_path / "configs/f/g.yaml").write_text("1")
    (tmp_path / "rlhpc/b/c.py").rename(tmp_path / "rlhpc/b/d.py")
    assert source_digest(tmp_path) != before
