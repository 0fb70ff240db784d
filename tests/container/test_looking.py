"""A real image is looked at before anything is submitted, and one that cannot be used is refused in one clear sentence."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlhpc import __version__
from rlhpc.cluster.image import ContainerConfig, look, refuse_other
from rlhpc.errors import InputError

MODULES = Path(__file__).resolve().parents[1] / "slurm"  # holds the module of an environment


@pytest.fixture(autouse=True)
def runnable(monkeypatch):
    """Let root, who may lack the rights that Apptainer takes for granted, run images like an ordinary user."""
    if os.getuid() == 0:
        monkeypatch.setenv("APPTAINER_USERNS", "1")


def fault_of(config, *args, **how):
    with pytest.raises(InputError) as caught:
        look(config, *args, **how)
    (fault,) = caught.value.faults
    return fault


def test_the_image_tells_what_it_holds_and_fits_the_rlhpc_it_was_built_from(image, root, tmp_path):
    found = look(ContainerConfig(str(image)), [tmp_path])
    assert (found.version, found.python.rpartition(".")[0]) == (__version__, "3.11")
    with image.open("rb") as stream:
        assert found.sha256 == hashlib.file_digest(stream, "sha256").hexdigest()
    assert refuse_other(found, __version__, root) == ""


def test_an_image_that_was_cut_is_refused_in_apptainers_words(image, tmp_path):
    cut = tmp_path / "cut.sif"
    with image.open("rb") as stream:
        cut.write_bytes(stream.read(1 << 20))
    assert f"the image '{cut}' cannot be run here: " in fault_of(ContainerConfig(str(cut)))


def test_an_image_of_something_else_is_refused(bare_image):
    assert fault_of(ContainerConfig(str(bare_image))).startswith(f"the image '{bare_image}' holds no rlhpc")


def test_a_module_whose_folder_is_not_bound_is_missed_and_found_when_it_is(image, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(MODULES))
    monkeypatch.chdir("/")
    bare = ("--no-mount", "home,cwd,tmp")
    assert fault_of(ContainerConfig(str(image), options=bare), modules=["tracing"]).startswith(
        "the module 'tracing' is not to be"
    )
    assert look(ContainerConfig(str(image), (str(MODULES),), bare), modules=["tracing"]).version == __version__


def test_a_host_without_user_namespaces_is_told_by_the_setting_that_forbids_them(image, root):
    program = f"from rlhpc.cluster.image import *; look(ContainerConfig({str(image)!r}))"
    forbidden = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", forbidden, "sh", sys.executable, "-c", program]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stderr
    assert "cannot be run here: " in told
    assert "This host forbids user namespaces (/proc/sys/user/max_user_namespaces): Apptainer must be installed setuid." in told
