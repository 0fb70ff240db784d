"""An environment that tells where it is made, and takes its time: what trainings on a test cluster play."""

import os
import time
from pathlib import Path

import gymnasium as gym
from gymnasium.envs.classic_control import CartPoleEnv

ENV_ID = "tracing:Tracing-v0"  # with this folder on PYTHONPATH
TRACE = "RLHPC_TRACE"  # folder; each training leaves a file in it
SECONDS = "RLHPC_STEP_SECONDS"  # that a step takes
TOGETHER = "RLHPC_TOGETHER"  # number of trainings on its GPU that each waits for, in the first element of an array
SECONDS_TO_WAIT = 200


class Tracing(CartPoleEnv):
    """CartPole, slower, and traced."""

    def __init__(self):
        super().__init__()
        self.seconds = float(os.environ.get(SECONDS, "0"))
        self.waits_for = 0
        if "SLURM_JOB_ID" in os.environ and TRACE in os.environ:
            self.mark = f"{os.environ.get('SLURM_ARRAY_TASK_ID', '0')}.{os.environ.get('CUDA_VISIBLE_DEVICES')}"
            self.waits_for = int(os.environ.get(TOGETHER, "0")) if self.mark.startswith("0.") else 0
            (Path(os.environ[TRACE]) / f"{self.mark}.{os.getpid()}").touch()

    def reset(self, *, seed=None, options=None):
        if seed is not None and (Path(os.environ[TRACE]) / f"fail-{seed}").exists():
            raise RuntimeError(f"seed {seed} is to fail")
        return super().reset(seed=seed, options=options)

    def step(self, action):
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while self.waits_for and time.monotonic() < deadline:
            if len(list(Path(os.environ[TRACE]).glob(f"{self.mark}.*"))) >= self.waits_for:
                self.waits_for = 0
            else:
                time.sleep(0.2)
        time.sleep(self.seconds)
        return super().step(action)


gym.register("Tracing-v0", entry_point="tracing:Tracing", max_episode_steps=200)
