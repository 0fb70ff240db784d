"""Packing on the machine that we are on; that trainings are carried out is tested by the launch job."""

import os

import pytest
import torch

from rlhpc.errors import InputError
from rlhpc.records import Training
from rlhpc.training import local
from rlhpc.training.plan import TRAININGS_PER_GPU, PackingConfig

TRAININGS = [Training("b", "X-v0", "ppo", seed, "Discrete", 1_000, {"class": "PPO"}) for seed in range(40)]


@pytest.mark.parametrize(
    ("gpus", "configured", "expected"),
    [
        ((), None, (1, len(os.sched_getaffinity(0)))),
        ((), 3, (1, 3)),
        (("0",), None, (1, TRAININGS_PER_GPU)),
        (("0", "MIG-x"), 4, (2, 4)),
    ],
)
def test_all_trainings_are_packed_on_one_node_with_the_gpus_that_there_are(gpus, configured, expected):
    (here,) = local.pack_here(TRAININGS, PackingConfig(gpus_per_node=8, trainings_per_gpu=configured, max_nodes=5), gpus)
    assert (here.n_gpus, here.trainings_per_gpu) == expected
    assert list(here.trainings) == TRAININGS


def test_nothing_to_train_needs_no_plan():
    assert local.pack_here([], PackingConfig(), ()) == ()


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests/gpu has what holds where there is one")
def test_a_gpu_that_torch_cannot_use_is_refused_before_anything_is_trained():
    with pytest.raises(InputError, match="device is cuda, but torch finds no GPU"):
        local.refuse_missing_gpu("cuda", ())
    for device, gpus in (("cuda", ("0",)), ("auto", ()), ("cpu", ())):  # the first is told by its own trainings
        local.refuse_missing_gpu(device, gpus)


def test_on_the_cpu_no_gpu_is_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert local.usable_gpus("cpu") == ()
    assert local.usable_gpus("auto") == local.usable_gpus("cuda") == ("2", "3")
