"""Everything a training imports, imported once: the forkserver loads this, and every training is forked from it.

Twelve trainings then start in a fraction of the time and share the memory of the libraries. Nothing here may touch a GPU: CUDA
does not survive a fork.
"""

from __future__ import annotations

import gc
import inspect
import json
import os

import sb3_contrib  # noqa: F401  # to be there
from torch.optim import Optimizer

import rlhpc.training.train  # noqa: F401  # to be there
from rlhpc.training.envs import load_ahead
from rlhpc.training.process import GAMES_AHEAD

# These methods import torch's compiler, which takes a second, to tell it to leave them alone; nothing here is compiled.
for _method in (Optimizer.add_param_group, Optimizer.load_state_dict, Optimizer.state_dict, Optimizer.zero_grad):
    _function = inspect.unwrap(_method)
    vars(_function)["__dynamo_disable"] = _function

load_ahead(json.loads(os.environ.get(GAMES_AHEAD, "{}")))

gc.freeze()  # keeps the collector of each child from touching, and so copying, the shared pages
