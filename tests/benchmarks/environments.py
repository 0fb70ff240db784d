"""Environments: agent steps per second of lean environments against the wrappers of SB3 and shimmy, side by side in one run.

    .venv/bin/python tests/benchmarks/environments.py
    .venv/bin/python tests/benchmarks/environments.py --all --seconds 1 --repeat 3
    .venv/bin/python tests/benchmarks/environments.py --envpool

Actions are random and the same for both, 8 environments side by side as the shipped PPO has them, on one thread. Both ways take
turns, and the best of the repetitions counts: what else the machine does can only slow one down. Seconds are of the processor.
That both come to the same bits is tested in tests/training/lean. A ratio above 1 is in favour of the lean ones.

--envpool: also envpool's, if it is installed, on one thread; these have semantics of their own, and cannot be saved.
"""

import argparse
import logging
import time

import ale_py
import cv2
import numpy as np

from rlhpc.benchmarks import load_benchmarks
from rlhpc.training.envs import make_vec

SOME = (
    *("MsPacmanNoFrameskip-v4", "BreakoutNoFrameskip-v4", "QbertNoFrameskip-v4"),
    *("dm_control/pendulum-swingup-v0", "dm_control/cheetah-run-v0", "dm_control/walker-walk-v0"),
)
N_ENVS = 8


def steps_per_second(env_id, seconds, *, may_be_lean):
    """Step for some seconds of processor time; return agent steps in each."""
    hyperparameters = {"frame_stack": 4} if "NoFrameskip" in env_id else {}
    env = make_vec(env_id, hyperparameters, n_envs=N_ENVS, seed=1, training=True, may_be_lean=may_be_lean)
    env.reset()
    env.action_space.seed(1)
    actions = [np.array([env.action_space.sample() for _ in range(N_ENVS)]) for _ in range(256)]
    n_steps, started = 0, time.process_time()
    while (took := time.process_time() - started) < seconds:
        for action in actions[n_steps % 256 :][:16]:
            env.step(action)
        n_steps += 16
    env.close()
    return N_ENVS * n_steps / took


def steps_per_second_of_envpool(env_id, seconds):
    """Step envpool's environments on one thread; return agent steps in each second of processor time."""
    import envpool  # noqa: PLC0415  # where it is installed

    how = {"env_type": "gymnasium", "num_envs": N_ENVS, "num_threads": 1, "seed": 1}
    if "NoFrameskip" in env_id:
        how |= {"stack_num": 4, "episodic_life": True, "reward_clip": True, "noop_max": 30, "use_fire_reset": True}
        name = env_id.replace("NoFrameskip-v4", "-v5")
    else:
        name = "".join(word.capitalize() for word in env_id.removeprefix("dm_control/").removesuffix("-v0").split("-")) + "-v1"
    env = envpool.make(name, **how)
    env.reset()
    drawn = [np.array([env.action_space.sample() for _ in range(N_ENVS)]) for _ in range(256)]
    actions = [action.astype(np.int32) if action.ndim == 1 else action for action in drawn]
    n_steps, started = 0, time.process_time()
    while (took := time.process_time() - started) < seconds:
        for action in actions[n_steps % 256 :][:16]:
            env.step(action)
        n_steps += 16
    return N_ENVS * n_steps / took


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--all", action="store_true", help="all 26 games and 12 tasks, not some of them")
    built.add_argument("--envpool", action="store_true", help="measure envpool's, too")
    built.add_argument("--seconds", type=float, default=2, help="of each measurement (default: 2)")
    built.add_argument("--repeat", type=int, default=5, metavar="N", help="measurements of each (default: 5)")
    return built


def main(args):
    """Print both ways side by side."""
    env_ids = [env.env_id for env in load_benchmarks(["atari100k", "dmc1m"])] if args.all else SOME
    cv2.setNumThreads(1)
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # its banner would stand in the table
    logging.getLogger("absl").setLevel(logging.ERROR)  # so would what dm_control says of a display that is not needed
    print(f"{'steps per second':34s} {'wrappers':>9s} {'lean':>9s} {'ratio':>6s}" + "   envpool  ratio" * args.envpool)
    for env_id in env_ids:
        found = {True: [], False: []}
        for _ in range(args.repeat):
            for may_be_lean, rates in found.items():
                rates.append(steps_per_second(env_id, args.seconds, may_be_lean=may_be_lean))
        wrappers, lean = max(found[False]), max(found[True])
        told = f"{env_id:34s} {wrappers:9,.0f} {lean:9,.0f} {lean / wrappers:5.2f}x"
        if args.envpool:
            pool = max(steps_per_second_of_envpool(env_id, args.seconds) for _ in range(args.repeat))
            told += f" {pool:9,.0f} {lean / pool:5.2f}x"
        print(told, flush=True)


if __name__ == "__main__":
    main(parser().parse_args())
