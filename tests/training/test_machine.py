import os
import platform
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from rlhpc import __version__
from rlhpc.training import machine


def test_every_package_that_shapes_an_agent_is_named_with_its_version():
    told = machine.versions()
    assert told["rlhpc"] == __version__
    assert told["python"] == platform.python_version()
    for name in ("torch", "stable-baselines3", "sb3-contrib", "gymnasium", "ale-py", "mujoco", "dm-control", "shimmy", "numpy"):
        assert told[name] == version(name)


def test_a_processor_is_told_as_the_system_names_it(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setattr(platform, "processor", lambda: pytest.fail("this starts a program in each training, for nothing"))
    told = machine.device("cpu")
    names = {line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")}
    assert told["type"] == "cpu"
    assert told["name"] == ""
    assert {told["cpu"]} == names
    assert told["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert told["host"] == platform.node() == os.uname().nodename
    assert told["visible_gpus"] == "2,3"


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_are_counted_as_they_are(n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        assert machine.device("cpu")["threads"] == n_threads
    finally:
        torch.set_num_threads(before)


def test_what_rounds_is_part_of_every_description():
    assert set(machine.ROUNDING) <= machine.device("cpu").keys()


@pytest.mark.parametrize("text", [None, "processor : 0\nBogoMIPS : 50.00\n"])
def test_a_system_that_does_not_name_its_processor_is_described_all_the_same(monkeypatch, text):
    def read(path):
        if text is None:
            raise FileNotFoundError
        return text

    monkeypatch.setattr(Path, "read_text", read)
    assert machine.device("cpu")["cpu"] == platform.processor()


@pytest.mark.parametrize(
    ("wanted", "has_gpu", "kind"),
    [("auto", False, "cpu"), ("cpu", False, "cpu"), ("auto", True, "cuda"), ("cuda", True, "cuda"), ("cpu", True, "cpu")],
)
def test_the_device_is_what_was_asked_for(monkeypatch, wanted, has_gpu, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert machine.device_kind(wanted) == kind


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"torch finds no GPU that it can use.*device=cpu.*gpus_per_node"):
        machine.device_kind("cuda")


def test_a_gpu_is_told_by_its_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    assert (machine.device("cuda")["type"], machine.device("cuda")["name"]) == ("cuda", "Some GPU")
