"""Every command of the README, in its order, as it stands there: in a clone and an account that know nothing, on a real Slurm.

The clone's grids are made small beforehand, and the packages are those that are installed. Left out: `make test`, and the section
on the image, whose commands tests/container carries out.
"""

import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 900  # of one command, or until the queue is empty
SECONDS_TO_WATCH = 12  # and to begin
SHORT = {"all": {"n_envs": 2, "n_steps": 32, "n_epochs": 1, "batch_size": 32}}
LEFT_OUT = ("make test", "apptainer", "rlhpc.sif")
SMALL = {
    "envs": [
        "BreakoutNoFrameskip-v4",
        "MsPacmanNoFrameskip-v4",  # like Breakout, it ends soon whoever plays
        "dm_control/cartpole-balance-v0",
        "dm_control/reacher-easy-v0",
    ],
    "algos": ["a2c", "ppo", "ppo_high_lr", "recurrent_ppo", "random"],
    "seeds": [111],
    "budget": {"total_timesteps": 128, "custom_timesteps": 128},
    "evaluation": {"n_episodes": 1},
    "hyperparameters": {
        "a2c": {"all": {"n_envs": 2}},
        **dict.fromkeys(("ppo", "ppo_high_lr", "recurrent_ppo"), SHORT),
        "random": {"all": {"n_trials": 1, "n_episodes": 2}},
    },
    "device": "cpu",
    "slurm": {"cpus_per_training": 0.1, "memory_gb_per_training": 0.5},
}


def commands():
    """Return the command lines of the README's shell blocks, with their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not any(left_out in line for left_out in LEFT_OUT)]


def laid_over(values, others):
    """Return a configuration with another one laid over it."""
    merged = {
        name: laid_over(values[name], other) if isinstance(values.get(name), dict) else other for name, other in others.items()
    }
    return values | merged


@pytest.fixture
def clone(tmp_path):
    """Clone what is committed, with small grids, a table, and the packages that are installed."""
    clone = tmp_path / "rlhpc"
    subprocess.run(["git", "clone", "-q", "--no-local", str(ROOT), str(clone)], check=True)
    for name in ("launch_training.yaml", "demo.yaml"):
        path = clone / "configs" / name
        small = {key: value for key, value in SMALL.items() if name != "demo.yaml" or key not in {"device", "slurm"}}
        path.write_text(yaml.safe_dump(laid_over(yaml.safe_load(path.read_text()), small), sort_keys=False))
    (clone / ".venv").symlink_to(ROOT / ".venv")
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(clone / name, (0, 0))  # what is installed is up to date
    rng = np.random.default_rng(0)
    rows = [f"Env {env},b,Discrete,0,100,{','.join(map(str, rng.uniform(5, 90, 12)))}" for env in range(8)]
    head = ",".join(["Environments,Benchmark,Action Space,Base,Reference", *(f"algo{place}" for place in range(12))])
    (clone / "TABLE.csv").write_text("\n".join([head, *rows]))
    return clone


def test_every_command_of_the_readme_works_in_its_order(cluster, clone, tmp_path):
    if not (ROOT / ".venv" / "installed").exists():
        pytest.skip("absent: .venv of make install")
    home = tmp_path / "home"
    home.mkdir()
    slurm = {name: value for name, value in cluster.env.items() if name in {"SLURM_CONF", "PATH"}}
    account = {"HOME": str(home), "PYTHONPATH": str(clone), "LANG": "C.UTF-8", **slurm}
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{account['PATH']}"  # as after `. .venv/bin/activate`
    done = []
    for line in commands():
        command = f"timeout --signal=INT {SECONDS_TO_WATCH} {line}" if "--watch" in line else line
        shell = {"cwd": clone, "env": account | {"PATH": path}, "timeout": SECONDS}
        run = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, check=False, **shell)
        code = 0 if "--watch" not in line else 124
        assert run.returncode == code, f"{line}\n{run.stdout}{run.stderr}"
        assert "Traceback" not in run.stdout + run.stderr, line
        if "--partition" in line or "sbatch" in line or "--submit" in line:
            wait_until_idle(cluster)
        done.append(shlex.split(line, comments=True))
    assert {words[1] for words in done if words[0] == "python"} >= {f"jobs/{name}.py" for name in ("audit", "verify_resume")}
    assert len(done) > 25
    for folder in ("default", "demo", "mine", "search/mine"):
        assert (clone / "logs" / folder).is_dir()
    assert list((clone / "logs" / "default" / "trainings").rglob("result.json"))
    shutil.rmtree(clone)


def wait_until_idle(cluster):
    """Wait until nobody waits or runs in the queue."""
    deadline = time.monotonic() + SECONDS
    while told := cluster.run("squeue", "-h").stdout.strip():
        assert time.monotonic() < deadline, told
        time.sleep(0.5)
