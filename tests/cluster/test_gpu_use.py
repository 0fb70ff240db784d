"""Whether torch can use a GPU of a node is tried there, in torch's words; here srun and torch are stand-ins."""

import os
import stat
import sys

import pytest

from rlhpc.cluster import gpu_use
from rlhpc.cluster.gpu_use import Tried, try_gpu
from rlhpc.cluster.image import ContainerConfig, Image
from rlhpc.errors import SlurmError

# Runs the probe here, as if on the node n7, behind what a site's prologue prints.
RUN = 'echo "$@" > {calls}; echo welcome to n7; while [ "$1" != sh ]; do shift; done; SLURMD_NODENAME=n7 exec "$@"'
TOO_OLD = """\
def ones(n, device):
    raise RuntimeError("The NVIDIA driver on your system is too old\\n(found version 11040).")
"""


@pytest.fixture
def node(tmp_path, monkeypatch, torch_of_a_gpu):
    """Put stand-ins in the way; return how to say what torch is there, which returns the file of how srun was called."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def make(torch=torch_of_a_gpu, run=RUN):
        (folder / "torch.py").write_text(torch)
        path = folder / "srun"
        path.write_text(f"#!/bin/sh\n{run.format(calls=calls)}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return calls

    return make


def test_a_torch_that_computes_tells_the_gpu(node):
    calls = node()
    assert try_gpu("gpu") == Tried("n7", gpu="GPU of the test")
    assert "--partition=gpu --gres=gpu:1" in calls.read_text()


def test_what_torch_says_against_a_gpu_is_told_in_one_line(node):
    node(TOO_OLD)
    assert try_gpu(None) == Tried("n7", fault="The NVIDIA driver on your system is too old (found version 11040)")


def test_a_python_without_torch_is_told(node):
    node("raise ModuleNotFoundError(\"No module named 'torch'\")")
    assert try_gpu(None).fault == "No module named 'torch'"


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({"gres": "gpu:a100:2"}, "--gres=gpu:a100:1"),
        ({"gres": "gpu:2,disk:10"}, "--gres=gpu:1"),
        ({"gpus-per-node": "v100:4"}, "--gres=gpu:v100:1"),
        ({"gpus": 2}, "--gres=gpu:1"),
        ({"gres": "shard:4"}, "--gres=shard:4"),
        ({"account": "rl"}, "--account=rl --gres=gpu:1"),
    ],
)
def test_one_gpu_of_the_kind_that_the_launch_asks_for_is_enough(node, options, asked):
    calls = node()
    assert try_gpu("gpu", options).gpu
    assert asked in calls.read_text()


def test_the_python_of_an_image_is_tried_with_gpus_where_trainings_run_in_it(node, tmp_path, monkeypatch):
    node()
    runtime = tmp_path / "apptainer"
    words = 'while [ "$1" != "$IMAGE" ]; do [ "$1" = --nv ] && nv=1; shift; done; shift 2; [ "$nv" = 1 ] && exec'
    runtime.write_text(f'#!/bin/sh\n{words} {sys.executable} "$@"\n')
    runtime.chmod(0o755)
    image = Image(tmp_path / "x.sif", str(runtime), ContainerConfig())
    monkeypatch.setenv("IMAGE", str(image.path))
    assert try_gpu("gpu", image=image).gpu == "GPU of the test"


def test_an_image_that_the_node_cannot_run_is_a_fault_in_its_words(node, tmp_path):
    node()
    runtime = tmp_path / "apptainer"
    runtime.write_text("#!/bin/sh\necho 'FATAL: no space left' >&2\nexit 255\n")
    runtime.chmod(0o755)
    image = Image(tmp_path / "x.sif", str(runtime), ContainerConfig())
    assert try_gpu("gpu", image=image) == Tried("n7", fault="exit code 255, FATAL: no space left")


def test_a_node_that_does_not_answer_or_tell_is_neither_good_nor_bad(node):
    node(run="echo 'srun: error: Unable to allocate resources: busy' >&2; exit 1")
    with pytest.raises(SlurmError, match=r"given 10 seconds to start \(Unable to allocate resources: busy\)"):
        try_gpu("gpu")
    node(run="echo welcome")
    with pytest.raises(SlurmError, match="did not tell: welcome"):
        try_gpu("gpu")


def test_a_real_torch_says_why_it_finds_no_gpu(node, monkeypatch):
    import torch  # noqa: PLC0415  # slow

    if torch.cuda.is_available():
        pytest.skip("absent: a machine without a GPU")
    node("")
    monkeypatch.setenv("PYTHONPATH", "")
    assert "CUDA" in try_gpu("gpu").fault
    assert gpu_use._FAILS not in try_gpu("gpu").fault
