"""Ten wrong uses that newcomers make, as they make them: each ends in one clear paragraph, and leaves nothing half written.

The table `USES` is the list: what was done, the command, its exit code and what it says, a piece a line, and the files that
it writes. Words in braces are folders and files of `places`; nothing else changes there. What needs more than a command follows.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GRID = (
    "--cluster local --config configs/demo.yaml --trainings-per-gpu 1 envs=[CartPole-v1] algos=[ppo,ppo_high_lr,random] seeds=[1]"
    " budget.total_timesteps=12_000 checkpoint_minutes=0"
    " 'hyperparameters={random: {all: {n_trials: 2, n_episodes: 200}}}'"  # the longest, and so the first
)
NOBODY = "http://127.0.0.1:9"  # the discard port, where nobody listens


USES = """
# 1. a wrong folder
a folder without trainings
$ collect_scores {empty}
2: error: '{empty}' holds no trainings; give the folder logs/NAME that launch_training.py wrote to.

scores of a folder that is too deep
$ collect_scores {half}/trainings
2: error: '{half}/trainings' holds no trainings; give the folder logs/NAME that launch_training.py wrote to.
   Did you mean '{half}'?

scores of a folder that is too high
$ collect_scores {logs}
2: error: '{logs}' holds no trainings; give the folder logs/NAME that launch_training.py wrote to.
   Did you mean '{half}'?

the status of a folder that is too high
$ status {logs}
2: error: '{logs}' is no folder of results: it holds neither trainings/ nor grid.json. Give the folder logs/NAME
   Did you mean '{half}'?

the status of a folder that is not there
$ status {logs}/demoo
2: error: cannot read the folder '{logs}/demoo': No such file or directory.
   Give the folder logs/NAME that launch_training.py wrote to. Did you mean '{half}'?

a report on a table instead of a folder
$ subset_report {table}
2: error: '{table}' is a file, and the folder of a search is wanted.
   search it first: python jobs/subset_search.py {table} --subset-size K --out DIR; then give DIR.

# 2. a wrong name
a launch with a misspelt environment
$ launch_training --cluster local envs=[CartPol-v1] {as_new}
2: error: unknown environment 'CartPol-v1'. Did you mean 'CartPole-v1'?

a launch with a misspelt algorithm
$ launch_training --cluster local envs=[CartPole-v1] algos=[pppo] {as_new}
2: error: unknown algorithm 'pppo'. Did you mean 'ppo'?

a launch with both misspelt
$ launch_training --cluster local envs=[CartPol-v1] algos=[pppo] {as_new}
2: error: unknown environment 'CartPol-v1'. Did you mean 'CartPole-v1'?
   unknown algorithm 'pppo'. Did you mean 'ppo'?

a proof with both misspelt
$ verify_resume --env Pendulm-v1 --algo recurrent-pp
2: error: unknown environment 'Pendulm-v1'. Did you mean 'Pendulum-v1'?
   unknown algorithm 'recurrent-pp'. Did you mean 'recurrent_ppo'?

a game without its version
$ random_score MsPacmanNoFrameskip
2: error: unknown environment 'MsPacmanNoFrameskip'. Did you mean 'MsPacmanNoFrameskip-v4'?

# 3. no data yet
a search before any score
$ subset_search {logs}/demo2/dataset.csv --subset-size 2 --out {logs}/demo2
2: error: cannot read the table '{logs}/demo2/dataset.csv': No such file or directory.
   That of a grid is made by: python jobs/collect_scores.py logs/NAME

a report before any search
$ subset_report {half}
2: error: there is no finished search in '{half}': it has no search.json.
   Search first: python jobs/subset_search.py DATASET --subset-size K --out {half}

a prediction before any report
$ predict_benchmark {half} CartPole-v1=3
2: error: cannot read the predictor '{half}/subset.json': No such file or directory.
   Make it: python jobs/subset_report.py {half}

# 4. a grid that is half done
scores of half a grid
$ collect_scores {half}
0: 1 training began and left no result yet: custom/CartPole-v1/ppo/1.
   Collect again when they have ended, or launch the grid again if nothing is running.
   1 training of the grid never began: custom/CartPole-v1/ppo_high_lr/1. Launch the grid again to make them.
   there is no algorithm to compare: 'random' and 'ppo_converged' are what scores are normalised by.
   the environment 'CartPole-v1' has no reference score (Reference). Train the algorithm 'ppo_converged' on it
writes dataset.csv scores.csv summary.csv

a search in half a grid
$ subset_search {half_table} --subset-size 1 --out {logs}/found
2: error: 'dataset.csv': there is no algorithm to compare: 'random' and 'ppo_converged' are what scores are normalised by.
   'dataset.csv': the environment 'CartPole-v1' has no reference score (Reference). Train the algorithm 'ppo_converged' on it

an audit of half a grid
$ audit {half}
1: 3 trainings: 1 stored, 1 stopped, 1 never begun
   it will continue from its checkpoint
   Not in order: 2 of 3 trainings are not recorded; launch again to train what is missing.

more at once than memory holds
$ launch_training --cluster local envs=[MsPacmanNoFrameskip-v4] algos=[dqn] seeds=[1,2,3,4] {huge_buffers} {as_new}
2: error: 4 at once fill replay buffers of 22579 GB, and this machine has
   GB of memory. Give a smaller buffer ('hyperparameters={{dqn: {{all: {{buffer_size: 10_000}}}}}}').

# 6. no room on the disk
scores on a full disk
$ collect_scores {disk}/demo
1: error: cannot write to the folder '{disk}/demo': No space left on device.
   Free space, or mend the file system, and start again; or give another folder.

a search on a full disk
$ subset_search {table} --subset-size 1 --out {disk}/found
1: error: cannot write to the folder '{disk}/found': No space left on device.
   Free space, or mend the file system, and start again; or give another folder.

# 8. a wrong partition
a partition without Slurm
$ launch_training --partition nonsense {as_new}
2: error: --partition needs Slurm, but
   Log in to a cluster, or use --cluster local without --partition.

a partition that the site has not
$ with-slurm launch_training --partition gpuu {as_new}
2: error: This site has no partition 'gpuu' (slurm.partition). Did you mean 'gpu'?

# 9. an edited result
scores with an edited result
$ collect_scores {edited}
1: error: no result in '{edited}' could be collected.
   left out: '{edited}/trainings/custom/CartPole-v1/random/1/result.json' was edited: its checksum does not match.
   Launch the grid again: this file is kept under another name, and the training is made anew.

an audit with an edited result
$ audit {edited}
1: 3 trainings: 1 damaged, 1 stopped, 1 never begun
   was edited: its checksum does not match. Launch the grid again
   Not in order: 3 of 3 trainings are not recorded
"""


@dataclass(frozen=True)
class Use:
    """A wrong use, and how it ends.

    Attributes
    ----------
    done : str
        What somebody did.
    command : str
    code : int
    told : tuple of str
        What is printed.
    written : set of str
        Names of the files that appear.
    """

    done: str
    command: str
    code: int
    told: tuple[str, ...]
    written: frozenset[str]


def read(table):
    """Yield the uses of a table."""
    for entry in table.strip().split("\n\n"):
        done, command, *rest = [line for line in entry.splitlines() if not line.startswith("#")]
        written = rest.pop().split()[1:] if rest[-1].startswith("writes ") else []
        told = tuple(line[3:] for line in rest)
        yield Use(done, command.removeprefix("$ "), int(rest[0][0]), told, frozenset(written))


def run(job, *arguments, **environment):
    command = [sys.executable, f"jobs/{job}.py", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=600
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def files(folder):
    """Return every file below a folder with its bytes; of what fills a disk, nothing."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "filler"}


# --- what newcomers have ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cancelled(tmp_path_factory):
    """Launch the demo with a tiny grid, and press Ctrl-C while its second training learns."""
    logs = tmp_path_factory.mktemp("cancelled")
    command = [sys.executable, "jobs/launch_training.py", *shlex.split(GRID), f"logs_dir={logs}"]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **out) as process:
        deadline = time.monotonic() + 300
        while not list(logs.glob("demo/trainings/custom/CartPole-v1/ppo/1/checkpoint-*")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all
        said = process.communicate(timeout=180)
    return logs, process.returncode, *said


@pytest.fixture
def slurm(tmp_path):
    """Return a folder with stand-ins of Slurm's programs, which tell of one partition; the real one is in tests/slurm."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    answers = {
        "config": "MaxArraySize = 1001",
        "partition": "PartitionName=gpu Default=YES MaxTime=1-00:00:00 State=UP Nodes=n1",
        "node": "NodeName=n1 CPUTot=64 RealMemory=500000 Partitions=gpu State=IDLE Gres=gpu:4",
    }
    cases = " ".join(f"*{what}) echo '{answer}';;" for what, answer in answers.items())
    (folder / "scontrol").write_text(f'#!/bin/sh\ncase "$*" in {cases} esac\n')
    (folder / "sbatch").write_text('#!/bin/sh\necho submitted >>"${0%/*}/submitted"\nexit 1\n')
    for program in folder.iterdir():
        program.chmod(0o755)
    return folder


@pytest.fixture
def places(cancelled, tmp_path):
    """Return the folders and files that the table names."""
    logs = tmp_path / "logs"
    half, edited, empty = logs / "demo", tmp_path / "edited", tmp_path / "empty"
    for folder in (half, edited):
        shutil.copytree(cancelled[0] / "demo", folder)
    empty.mkdir()
    (result,) = edited.rglob("result.json")
    result.write_text(re.sub(r'"score": [0-9]', '"score": 9', result.read_text()))
    table = tmp_path / "table.csv"
    rows = [f"Env {env},b,Discrete,0,100,{env},2{env},4,{env}8" for env in range(1, 5)]
    table.write_text("\n".join(["Environments,Benchmark,Action Space,Base,Reference,a,b,c,d", *rows]))
    half_table = tmp_path / "half" / "dataset.csv"
    half_table.parent.mkdir()
    half_table.write_text("Environments,Benchmark,Action Space,Base,Reference\nCartPole-v1,custom,Discrete,22.5,\n")
    found = {"logs": logs, "half": half, "edited": edited, "empty": empty, "table": table, "half_table": half_table}
    huge = "--trainings-per-gpu 4 budget.total_timesteps=100_000_000 'hyperparameters={dqn: {all: {buffer_size: 100_000_000}}}'"
    return found | {"as_new": f"logs_dir={tmp_path}/new", "huge_buffers": huge}


# --- the table -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [pytest.param(use, id=use.done) for use in read(USES)])
def test_a_wrong_use_ends_in_a_clear_paragraph_and_nothing_is_half_written(use, places, slurm, tmp_path, request):
    if "{disk}" in use.command:
        disk = request.getfixturevalue("small_disk")
        shutil.copytree(places["half"], disk / "demo")
        request.getfixturevalue("fill")(disk)
        places["disk"] = disk
    programs = tmp_path / "empty"
    words = shlex.split(use.command.format(**places))
    if words[0] == "with-slurm":
        programs, words = slurm, words[1:]
    before = files(tmp_path)
    done = run(*words, PATH=str(programs))
    printed = done.stdout + done.stderr
    assert done.returncode == use.code, printed
    for told in use.told:
        assert told.format(**places) in printed
    assert done.stderr.startswith("error: ") or not done.stderr
    assert len(printed.splitlines()) <= 12
    after = files(tmp_path)
    assert {path: after.get(path) for path in before} == before
    assert {path.name for path in after.keys() - before.keys()} == use.written


def test_the_table_of_half_a_grid_is_what_collecting_gives(places):
    run("collect_scores", places["half"])
    first, second = ((folder / "dataset.csv").read_text() for folder in (places["half"], places["half_table"].parent))
    assert first.splitlines()[0] == second.splitlines()[0]
    assert len(first.splitlines()) == len(second.splitlines()) == 2


# --- 5. an old Python, 7. no network: make install -------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path):
    """Return a folder with what `make install` reads."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def make_install(clone, python):
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
    plain |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"{NOBODY}/simple", "PIP_RETRIES": "1"}
    command = ["make", "install", f"PYTHON={python}"]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False, env=plain, timeout=600)


@pytest.mark.skipif(shutil.which("make") is None, reason="absent: make")
def test_an_old_python_is_refused_with_the_flag_that_names_another(clone, tmp_path):
    old = tmp_path / "python3.9"
    program = "import collections, sys\nsys.version_info = (3, 9, 2)\nexec(sys.argv[2])"
    (tmp_path / "old.py").write_text(program)
    old.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/old.py "$@"\n')
    old.chmod(0o755)
    before = files(clone)
    done = make_install(clone, old)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{old} is Python 3.9.2. rlhpc needs Python 3.11 or newer; name one: make install PYTHON=python3.11" in done.stderr
    assert "Traceback" not in done.stderr
    assert files(clone) == before


@pytest.mark.skipif(shutil.which("make") is None, reason="absent: make")
def test_a_python_that_is_not_there_is_named(clone):
    done = make_install(clone, "python9.9")
    assert done.returncode == 2
    assert "there is no program 'python9.9'. rlhpc needs Python 3.11 or newer; name one: make install PYTHON=" in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="absent: make")
def test_an_installation_without_a_network_fails_in_the_words_of_pip_and_is_not_taken_for_done(clone):
    done = make_install(clone, sys.executable)
    assert done.returncode == 2
    assert "Connection refused" in done.stderr
    assert "No matching distribution found" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / ".venv" / "installed").exists()


# --- 7. no network: Weights & Biases ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tracking_online_without_a_network_goes_on_offline_says_so_and_names_the_command_that_sends_it(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    small = "hyperparameters={ppo: {all: {n_envs: 1, n_steps: 32, batch_size: 32}}}"
    words = "--cluster local name=tracked envs=[CartPole-v1] algos=[ppo] seeds=[1] budget.total_timesteps=64 wandb.mode=online"
    home = {"HOME": str(tmp_path), "WANDB_BASE_URL": NOBODY, "NETRC": str(tmp_path / "netrc")}
    done = run("launch_training", *words.split(), small, f"logs_dir={tmp_path}", **home)
    assert done.returncode == 0, done.stderr
    (result,) = tmp_path.rglob("result.json")
    log = (result.parent / "output.log").read_text()
    assert re.search(r"Weights & Biases cannot be reached \(.+\); this run goes on offline\.", log)
    record = json.loads(result.read_text())["result"]["wandb"]
    assert record["mode"] == "offline"
    assert record["sync_command"].startswith("wandb sync ")


# --- 10. a cancelled demo --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_cancelled_demo_ends_with_75_and_goes_on_when_it_is_started_again(cancelled, tmp_path):
    logs, code, said, errors = cancelled
    assert code == 75
    assert "1 training stored" in said
    assert "1 stopped, 1 not begun: start again, and each goes on from its checkpoint, if it has one.\n  python " in said
    assert f"launch_training.py {shlex.join(shlex.split(GRID))}" in said  # the same command
    assert "told to stop: 1 training saves, up to " in errors
    assert "Traceback" not in errors
    shutil.copytree(logs / "demo", tmp_path / "demo")
    again = run("launch_training", *shlex.split(GRID), f"logs_dir={tmp_path}")
    assert again.returncode == 0, again.stderr
    assert "1 are stored" in again.stdout
    assert "2 to train" in again.stdout
    assert re.search(r"started custom/\S+/1 \(attempt 2; its newest checkpoint: [1-9][0-9,]* agent steps\)", again.stderr)
    (result,) = tmp_path.glob("demo/trainings/custom/CartPole-v1/ppo/1/result.json")
    assert [resume["timesteps"] > 0 for resume in json.loads(result.read_text())["result"]["resumes"]] == [True]
    assert run("audit", tmp_path / "demo").returncode == 0
