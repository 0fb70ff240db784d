"""A folder that nodes do not see is refused; one of a kind that machines share is not asked for. Here srun is a stand-in."""

import os
import socket
import stat

import pytest

from rlhpc.cluster import sharing
from rlhpc.cluster.image import ContainerConfig, Image
from rlhpc.cluster.sharing import PYTHON, is_this_host, look, refuse_unshared
from rlhpc.errors import InputError, SlurmError

# Runs the probe here, as if on the node n7, behind what a site's prologue prints.
RUN = 'echo "$@" > {calls}; echo welcome to n7; while [ "$1" != sh ]; do shift; done; SLURMD_NODENAME=n7 exec "$@"'


@pytest.fixture
def srun(tmp_path, monkeypatch):
    """Put a stand-in for srun on PATH; return the file in which it writes down how it was called."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(sharing, "_LOOK", sharing._LOOK.replace("sleep 1", "true"))

    def make(text=RUN):
        path = folder / "srun"
        path.write_text(f"#!/bin/sh\n{text.format(calls=calls)}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return calls

    return make


@pytest.fixture
def logs(tmp_path):
    """Return a folder for results that is not there yet."""
    return tmp_path / "logs" / "mine"


def test_a_folder_that_is_seen_is_fine_and_nothing_is_left_in_it(srun, logs, make_site):
    srun()
    assert refuse_unshared(logs, "gpu", make_site()) == ""
    assert list(logs.iterdir()) == []


def test_a_hidden_folder_is_refused_with_what_to_do(srun, logs, make_site):
    srun(RUN.replace("SLURMD", f"rm -f {logs}/.seen.*; SLURMD"))
    with pytest.raises(InputError, match=r"node n7 does not see the folder '.*mine'.* share, with logs_dir=\.\.\.$") as caught:
        refuse_unshared(logs, "gpu", make_site())
    assert len(caught.value.faults) == 1


def test_a_hidden_python_is_refused_too(srun, logs, make_site, monkeypatch, tmp_path):
    srun()
    monkeypatch.setattr(sharing, "PYTHON", tmp_path / "none" / "python")
    with pytest.raises(
        InputError, match=r"does not see the Python '.*none/python'.*: install rlhpc on a file system that the nodes"
    ):
        refuse_unshared(logs, "gpu", make_site())


def image_of(path, *words):
    """Return an image that is run by a command of the test's."""
    runtime = path.parent / "apptainer"
    runtime.write_text("#!/bin/sh\n" + "\n".join(words))
    runtime.chmod(0o755)
    return Image(path, str(runtime), ContainerConfig())


def test_an_image_that_runs_on_the_node_is_fine(srun, logs, make_site, tmp_path):
    srun()
    (tmp_path / "x.sif").touch()
    assert refuse_unshared(logs, "gpu", make_site(), None, image_of(tmp_path / "x.sif", "echo Python 3.11")) == ""


def test_an_image_that_the_node_cannot_run_is_refused_in_its_words(srun, logs, make_site, tmp_path):
    srun()
    (tmp_path / "x.sif").touch()
    wrong = image_of(tmp_path / "x.sif", "echo 'no user namespaces' >&2", "exit 255")
    with pytest.raises(
        InputError, match=r"n7 cannot run the image '.*x\.sif' \(exit code 255, no user namespaces\): if Apptainer is"
    ):
        refuse_unshared(logs, "gpu", make_site(), None, wrong)
    (tmp_path / "apptainer").unlink()
    with pytest.raises(InputError, match=r"n7 cannot run the image '.*x\.sif' \(exit code 127, .*apptainer.*\): if"):
        refuse_unshared(logs, "gpu", make_site(), None, wrong)


def test_an_image_that_ends_without_a_word_is_refused(srun, logs, make_site, tmp_path):
    srun()
    (tmp_path / "x.sif").touch()
    with pytest.raises(InputError, match=r"cannot run the image '.*x\.sif' \(exit code 137\): if"):
        refuse_unshared(logs, "gpu", make_site(), None, image_of(tmp_path / "x.sif", "kill -9 $$"))


def test_a_hidden_image_is_refused(srun, logs, make_site, tmp_path):
    srun()
    hidden = image_of(tmp_path / "none.sif", "exit 255")
    with pytest.raises(InputError, match=r"n7 does not see the image '.*none\.sif': keep it on a file system") as caught:
        refuse_unshared(logs, "gpu", make_site(), None, hidden)
    assert len(caught.value.faults) == 1


def test_a_busy_cluster_is_a_warning_with_its_own_words(srun, logs, make_site):
    srun("echo 'srun: job 5 queued' >&2; echo 'srun: error: Unable to allocate resources: Requested nodes are busy' >&2; exit 1")
    told = refuse_unshared(logs, "gpu", make_site())
    assert told.startswith(f"whether the nodes see '{logs}' was not found out: ")
    assert told.endswith("(Unable to allocate resources: Requested nodes are busy).")
    assert list(logs.iterdir()) == []


@pytest.mark.parametrize("says", ["true", "echo 'rlhpc: n7'", "echo hello"])
def test_a_probe_that_does_not_tell_is_no_proof(srun, logs, says):
    srun(says)
    with pytest.raises(SlurmError, match="did not tell"):
        look(logs, "gpu")


def test_the_least_is_asked_for_with_the_users_own_account(srun, logs, monkeypatch):
    calls = srun()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    look(logs, "gpu", {"account": "rl", "exclude": "n9", "mail-type": "END"})
    words = calls.read_text().split()
    assert {"--partition=gpu", "--account=rl", "--exclude=n9", "--nodes=1", "--ntasks=1", "--time=1", "--mem=50M"} <= set(words)
    assert not [word for word in words if "mail" in word]


def test_nothing_is_asked_where_all_lies_on_what_machines_share(srun, logs, make_site, monkeypatch):
    calls = srun()
    asked = []
    monkeypatch.setattr(sharing, "is_shared", lambda path: asked.append(path) or True)
    assert refuse_unshared(logs, "gpu", make_site()) == ""
    assert (asked, calls.exists()) == ([logs, PYTHON], False)


def test_nothing_is_asked_where_this_machine_is_the_only_node(srun, logs, make_site):
    calls = srun()
    here = socket.gethostname().partition(".")[0]
    single = make_site(nodes={"NodeName=n3": f"NodeName={here}"})
    assert refuse_unshared(logs, "cpu", single) == ""
    assert (is_this_host(single, "gpu"), is_this_host(single, None), is_this_host(single, "cpu,gpu")) == (False, False, False)
    assert not calls.exists()
