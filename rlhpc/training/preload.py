"""Everything a training imports, imported once: the forkserver loads this, and every training is forked from it.

Twelve trainings then start in a fraction of the time and share the memory of the libraries. Nothing here may touch a GPU: CUDA
does not survive a fork.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import os
from collections.abc import Iterator

import sb3_contrib  # noqa: F401  # to be there
from torch.optim import Optimizer

import rlhpc.training.train  # noqa: F401  # to be there
from rlhpc.training.envs import load_ahead
from rlhpc.training.process import GAMES_AHEAD

# These methods import torch's compiler, which takes a second, to tell it to leave them alone; nothing here is compiled.
for _method in (Optimizer.add_param_group, Optimizer.load_state_dict, Optimizer.state_dict, Optimizer.zero_grad):
    _function = inspect.unwrap(_method)
    vars(_function)["__dynamo_disable"] = _function


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep from a user's terminal what a library of C++ prints."""
    standard_error, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(nowhere)


with _quiet():  # the emulator's banner
    load_ahead(json.loads(os.environ.get(GAMES_AHEAD, "{}")))

gc.freeze()  # keeps the collector of each child from touching, and so copying, the shared pages
