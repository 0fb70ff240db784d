"""What tests/benchmarks/packing.py has each training import: it notes when rollouts begin, whoever trains.

Each training has a row of its own in a shared file: the agent steps made and the time where its first, its second and its last
rollout began. Between two of them lie whole rollouts with the updates that follow.
"""

import os
import time

import numpy as np
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

MARKS = "RLHPC_PACKING_MARKS"  # the file
COLUMNS = ("first_at", "second_at", "second_steps", "last_at", "last_steps", "rollouts")

_collect_rollouts = OnPolicyAlgorithm.collect_rollouts
_row = None


def rows(path, mode):
    """Open the file, of a row for each training."""
    return np.memmap(path, np.float64, mode).reshape(-1, len(COLUMNS))


def _mark(model, *args, **kwargs):
    global _row  # noqa: PLW0603
    if _row is None:
        _row = rows(os.environ[MARKS], "r+")[model.seed]
    now, n_rollouts = time.time(), int(_row[5])
    if n_rollouts == 0:
        _row[0] = now
    elif n_rollouts == 1:
        _row[1:3] = now, model.num_timesteps
    _row[3:6] = now, model.num_timesteps, n_rollouts + 1
    return _collect_rollouts(model, *args, **kwargs)


OnPolicyAlgorithm.collect_rollouts = _mark
