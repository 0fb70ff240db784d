"""The machine that we are on as the only node: a plan for it, carried out."""

from __future__ import annotations

import os
from collections.abc import Sequence

import psutil

from rlhpc import container
from rlhpc.errors import InputError
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.training import footprint, gpu_sharing, load_watch, node, places, plan, stop
from rlhpc.training.estimate import Hours, prior_hours
from rlhpc.training.outcome import Outcome
from rlhpc.training.progress_bar import ProgressBar
from rlhpc.training.settings import TrainSettings


def usable_gpus(device: str) -> tuple[str, ...]:
    """Name the GPUs to train on; none if the device is ``cpu``."""
    return places.visible_gpus() if device != "cpu" else ()


def device(wanted: str, gpus: Sequence[str]) -> str:
    """Return the device to train on: with GPUs ``auto`` is ``cuda``, so that one that cannot be used is told."""
    return "cuda" if wanted == "auto" and gpus else wanted


def refuse_missing_gpu(device: str, gpus: Sequence[str]) -> None:
    """Refuse to train on GPUs where torch finds none.

    Raises
    ------
    InputError
    """
    if device == "cuda" and not gpus:
        from rlhpc.training import machine  # noqa: PLC0415  # torch takes seconds

        try:
            machine.device_kind(device)
        except RuntimeError as error:
            raise InputError(str(error)) from error


def pack_here(
    trainings: Sequence[Training], packing: plan.PackingConfig, gpus: Sequence[str], hours: Hours = prior_hours
) -> tuple[plan.NodePlan, ...]:
    """Pack trainings on this machine: as many at once on each GPU as configured; without a GPU, one on each core.

    Returns
    -------
    tuple of NodePlan
        One; none if there is nothing to train.
    """
    at_once = packing.trainings_per_gpu or (plan.TRAININGS_PER_GPU if gpus else len(os.sched_getaffinity(0)))
    return plan.pack(trainings, n_gpus=max(len(gpus), 1), trainings_per_gpu=at_once, max_nodes=1, hours=hours)


def refuse_memory(here: plan.NodePlan, n_gpus: int) -> None:
    """Refuse trainings whose replay buffers, once full, are more than the memory of this machine.

    Raises
    ------
    InputError
        With the number at once that fits.
    """
    has = psutil.virtual_memory().total / 1e9
    n = min(here.trainings_per_gpu * max(n_gpus, 1), len(here.trainings))
    wanted = footprint.buffers_gb(here.trainings, n)
    if wanted <= has:
        return
    fit = max(each for each in range(n) if footprint.buffers_gb(here.trainings, each) <= has)
    fit_per_gpu = fit // max(n_gpus, 1)
    remedy = f"Give --trainings-per-gpu {fit_per_gpu}, or a" if fit_per_gpu else "Give a"
    raise InputError(
        f"{n} at once fill replay buffers of {wanted:.0f} GB, and this machine has {has:.0f} GB of memory. {remedy} smaller"
        " buffer ('hyperparameters={dqn: {all: {buffer_size: 10_000}}}')."
    )


def carry_out(here: plan.NodePlan, gpus: Sequence[str], store: Store, settings: TrainSettings) -> Outcome:
    """Carry out what is planned for this machine, show how far it is, and stop in good order on a signal.

    Raises
    ------
    InputError
        If MPS is asked for and cannot be had, or cores that are not ours.
    RlhpcError
        If nothing can be written or started any more.
    """
    container.identify()
    progress = ProgressBar(len(here.trainings))
    try:
        used = gpus if settings.device != "cpu" else ()  # by torch
        at_once = min(here.trainings_per_gpu, -(-len(here.trainings) // max(len(gpus), 1)))  # of few trainings, no more places
        with (
            stop.on_signals(settings.stop_seconds) as heard,
            gpu_sharing.share(settings.mps, used, at_once, progress.tell) as sharing,
            load_watch.watch(store.root, used),
        ):
            free = places.places(gpus, at_once, settings.affinity)
            return node.supervise(here.trainings, free, store, settings, progress, stop=heard, sharing=sharing)
    finally:
        progress.close()
