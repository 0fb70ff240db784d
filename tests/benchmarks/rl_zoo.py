"""One PPO training by RL Zoo and by rlhpc, whole commands, with the same hyperparameters and budget.

    .venv/bin/python tests/benchmarks/rl_zoo.py
    .venv/bin/python tests/benchmarks/rl_zoo.py --python OTHER_VENV/bin/python --repeat 5

RL Zoo gets an environment of its own (in .venv/rl_zoo3 unless --python names one that has it), with the same torch; it is told to
evaluate nothing along the way and takes one thread, as ours. Ours, besides, plays one episode at the end and records all it does.
Both take turns; the best of the repetitions counts. Seconds are those from the start of a command to its end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENV_ID, N_STEPS = "dm_control/pendulum-swingup-v0", 8 * 2048 * 4
HYPERPARAMETERS = {"n_envs": 8, "n_steps": 2048, "batch_size": 64, "n_epochs": 10}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
PINNED = ("torch", "gymnasium", "mujoco", "numpy")


def install(folder):
    """Make an environment with RL Zoo, with our versions of what it has in common with us; return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.partition("==")[0] in PINNED]
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pins, "rl_zoo3", "shimmy", "dm-control"], check=True)
    return python


def rl_zoo(python, folder):
    """Return the command line of RL Zoo."""
    values = {"n_timesteps": N_STEPS, "policy": "MultiInputPolicy", **HYPERPARAMETERS}
    config = folder / "zoo.yaml"
    config.write_text(f"{ENV_ID}:\n" + "".join(f"  {name}: {value}\n" for name, value in values.items()))
    return [
        *(python, "-m", "rl_zoo3.train", "--algo", "ppo", "--env", ENV_ID, "--gym-packages", "shimmy", "-conf", config),
        *("--eval-freq", "-1", "-f", folder / "out", "--device", "cpu", "--seed", "1", "--verbose", "0"),
    ]


def ours(folder):
    """Return our command line."""
    changes = ", ".join(f"{name}: {value}" for name, value in HYPERPARAMETERS.items())
    return [
        *(sys.executable, ROOT / "jobs/launch_training.py", "--cluster", "local", f"logs_dir={folder}", "name=zoo", "device=cpu"),
        *(f"envs=[{ENV_ID}]", "algos=[ppo]", "seeds=[1]", f"budget.total_timesteps={N_STEPS}", "evaluation.n_episodes=1"),
        *("tensorboard=false", f"hyperparameters={{ppo: {{all: {{{changes}}}}}}}"),
    ]


def measure(command):
    """Run a command; return its seconds."""
    env = {**os.environ, **ONE_THREAD, "MUJOCO_GL": "disabled"}
    started = time.perf_counter()
    subprocess.run(list(map(str, command)), env=env, check=True, capture_output=True)
    return time.perf_counter() - started


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--python", type=Path, help="that has RL Zoo (default: one that is made)")
    built.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each (default: 3)")
    return built


def main(args):
    """Print both side by side."""
    python = args.python or install(ROOT / ".venv" / "rl_zoo3")
    found = {"RL Zoo": [], "rlhpc": []}
    for _ in range(args.repeat):
        for name, runs in found.items():
            with tempfile.TemporaryDirectory() as made:
                runs.append(measure(rl_zoo(python, Path(made)) if name == "RL Zoo" else ours(Path(made))))
    best = {name: min(runs) for name, runs in found.items()}
    print(f"PPO on {ENV_ID}, {N_STEPS:,} agent steps, best of {args.repeat}")
    for name, took in best.items():
        print(f"{name:8s} {took:6.1f} s  {N_STEPS / took:7,.0f} steps/s")
    print(f"{'ratio':8s} {best['RL Zoo'] / best['rlhpc']:6.2f} x")


if __name__ == "__main__":
    main(parser().parse_args())
