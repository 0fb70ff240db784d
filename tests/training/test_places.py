"""Places: which GPUs there are, and who may take one for itself."""

import pytest

from rlhpc.training.places import NAME, FreePlaces, Place, memory_mib, own_gpus, places, visible_gpus


def on(*gpus):
    """List places on GPUs."""
    return [Place(gpu) for gpu in gpus]


def test_places_take_turns_over_the_gpus():
    assert places(["0", "1"], 2) == on("0", "1", "0", "1")
    assert places([], 3) == on(None, None, None)


def test_visible_gpus_are_those_of_the_environment_variable(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-8f1c")
    assert visible_gpus() == ("2", "GPU-8f1c")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == ()


def test_a_gpu_is_told_by_the_name_that_its_supervisor_knows(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert own_gpus() is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert own_gpus() == "0"
    monkeypatch.setenv(NAME, "3")  # as a client of MPS, which numbers it anew
    assert own_gpus() == "3"


@pytest.mark.parametrize(("answer", "expected"), [("echo 81559", 81_559), ("echo '[N/A]'", None), ("exit 6", None)])
def test_the_memory_of_a_gpu_is_what_nvidia_smi_tells_if_it_does(tmp_path, monkeypatch, answer, expected):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory_mib("0") is None
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert memory_mib("0") == expected


def test_places_are_taken_in_turn_until_none_is_free():
    free = FreePlaces(places(["0", "1"], 1))
    assert (free.take(), free.take(), free.take()) == (on("0"), on("1"), [])
    assert not free
    free.give_back(on("1"))
    assert free.take() == on("1")


def test_a_whole_gpu_is_taken_only_if_nobody_uses_it():
    free = FreePlaces(places(["0", "1"], 2))
    assert free.take() == on("0")
    assert free.take_gpu() == on("1", "1")
    assert free.take_gpu() == []
    assert free.take() == on("0")
    assert free.take() == []
    free.give_back(on("0"))
    assert free.take_gpu() == []
    free.give_back(on("0"))
    assert free.take_gpu() == on("0", "0")


def test_without_a_gpu_all_places_are_one_group():
    free = FreePlaces(places([], 3))
    assert free.is_shared(None)
    assert free.take_gpu() == on(None, None, None)
    assert not FreePlaces(places([], 1)).is_shared(None)
