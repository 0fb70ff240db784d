"""The audit job, end to end, as a user runs it: also where nothing can be written."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rlhpc.records import Result, Training
from rlhpc.results.store import Store

ROOT = Path(__file__).parents[2]
JOB = (sys.executable, "jobs/audit.py")


def run(*arguments, before=()):
    return subprocess.run([*before, *JOB, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)


def training(seed, algo="ppo"):
    return Training("dmc1m", "dm_control/pendulum-swingup-v0", algo, seed, "Continuous", 1000, {"class": "PPO"})


def put(store, seed, algo="ppo"):
    times = {"train_seconds": 1.0, "evaluation_seconds": 1.0, "started_at": "a", "finished_at": "b"}
    store.write(Result(training(seed, algo), 1.0, (1.0,), 1000, **times))
    return store.folder(training(seed, algo))


@pytest.fixture
def store(tmp_path):
    """Return a folder in which three trainings were launched, and all are stored."""
    store = Store(tmp_path / "demo")
    for seed in (1, 2, 3):
        put(store, seed)
    store.write_grid(map(training, (1, 2, 3)))
    return store


@pytest.fixture
def disorder(store):
    """Bring one training into each state, and leave around what an audit may meet."""
    (put(store, 4) / "result.json").write_text("{")
    store.write_attempts(training(5), [{"attempt": 1, "reason": "ValueError: boom"}])
    for seed in (6, 7):
        store.folder(training(seed)).mkdir()
    (store.folder(training(6)) / "checkpoint-64").write_text("")
    shutil.copytree(store.folder(training(1)), store.folder(training(9)))
    (store.folder(training(1)) / ".result.json.0123.tmp").write_text("{")
    (store.folder(training(1)) / "result.json.damaged-01234567").write_text("{")
    store.write_grid(map(training, range(1, 9)))
    return store


def contents(root):
    """Return everything of a tree that a write would change: names, kinds, modes, times, bytes."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[path] = (status.st_mode, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, data)
    return found


def test_a_grid_that_is_stored_exits_0(store):
    done = run(store.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{store.root}: 3 trainings: 3 stored",
        "In order: all 3 trainings are recorded exactly once.",
    ]


def test_disorder_exits_1_with_every_reason(disorder):
    done = run(disorder.root)
    assert (done.returncode, done.stderr) == (1, "")
    name, home, copy = training(4).name.removesuffix("4"), disorder.folder(training(1)), disorder.folder(training(9))
    damaged, strange, verdict = "cannot be read", "a training that grid.json does not name", "Not in order: "
    told = done.stdout.splitlines()
    assert [line for line in told if damaged not in line and strange not in line and verdict not in line] == [
        f"{disorder.root}: 8 trainings: 3 stored, 1 damaged, 1 failed, 1 stopped, 1 begun, 1 never begun",
        "damaged:",
        "failed:",
        f"  - {name}5: ValueError: boom (1 attempt)",
        "stopped:",
        f"  - {name}6: it will continue from its checkpoint",
        "begun:",
        f"  - {name}7: no checkpoint is there: it will begin anew",
        "never begun:",
        f"  - {name}8: it has no folder yet",
        "not of the grid:",
        "recorded more than once:",
        f"  - {name}1: {home}/result.json, {copy}/result.json",
        "left behind, which is no fault: 1 temporary file and 1 damaged file",
    ]
    assert told[2].startswith(f"  - {name}4: '{disorder.folder(training(4))}/result.json' {damaged}: ")
    assert told[12].startswith(f"  - {copy}: {strange}: damaged: '{copy}/result.json' holds the result of '{name}1'")
    assert told[-1] == (
        f"{verdict}5 of 8 trainings are not recorded, 1 training recorded more than once, 1 path not of the grid; "
        "launch again to train what is missing, move away what is not of the grid."
    )


def test_json_holds_the_same_as_data(disorder):
    done = run(disorder.root, "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    unrecorded = dict.fromkeys(("damaged", "failed", "stopped", "begun", "never_begun"), 1)
    assert answer["counts"] == {"stored": 3, **unrecorded, "running": 0}
    assert answer["in_order"] is False
    assert answer["folder"] == str(disorder.root)
    assert answer["trainings"][0] == {
        "name": training(1).name,
        "state": "stored",
        "reason": "",
        "path": str(disorder.folder(training(1))),
    }
    assert [each["state"] for each in answer["trainings"][3:]] == list(unrecorded)
    assert [each["path"] for each in answer["strange"]] == [str(disorder.folder(training(9)))]
    paths = [str(disorder.folder(training(seed)) / "result.json") for seed in (1, 9)]
    assert answer["repeated"] == [{"name": training(1).name, "paths": paths}]
    assert (answer["temporary"], answer["set_aside"], answer["grid_fault"]) == (1, 1, "")
    assert answer["verdict"] == run(disorder.root).stdout.splitlines()[-1]


def test_every_key_of_the_json_object_is_in_the_help(store):
    told = run("--help").stdout
    answer = json.loads(run(store.root, "--json").stdout)
    assert answer["in_order"] is True
    assert [key for key in (*answer, *answer["counts"]) if f"\n  {key} " not in told] == []


def test_a_missing_grid_exits_1_and_says_what_writes_it_anew(store):
    store.grid.unlink()
    done = run(store.root)
    assert done.returncode == 1
    assert f"'{store.grid}' is missing: launch again with the same configuration" in done.stdout
    assert f"{store.root}: 3 trainings: 3 stored" in done.stdout


@pytest.mark.parametrize(("n", "n_shown"), [(20, 20), (21, 20)])
def test_long_lists_are_cut_in_text_and_whole_in_json(store, n, n_shown):
    names = [training(seed, "a2c").name for seed in range(n)]
    store.write_grid(training(seed, "a2c") for seed in range(n))
    told = run(store.root).stdout
    assert sum(name in told for name in names) >= n_shown
    assert told.count("it has no folder yet") == n_shown
    assert ("... and 1 more; --json lists all" in told) == (n > n_shown)
    trainings = json.loads(run(store.root, "--json").stdout)["trainings"]
    assert {each["name"] for each in trainings if each["state"] == "never_begun"} == set(names)


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_what_is_no_folder_of_results_exits_2(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"'{tmp_path / folder}'" in done.stderr
    assert "Give the folder logs/NAME" in done.stderr
    assert not (tmp_path / "absent").exists()


# --- it changes nothing


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_nothing_of_the_whole_tree_is_changed(disorder, flags):
    before = contents(disorder.root.parent)
    assert run(disorder.root, *flags).returncode == 1
    assert contents(disorder.root.parent) == before


def test_it_needs_no_permission_to_write(disorder):
    drop = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 and shutil.which("setpriv") else ()
    expected = run(disorder.root, "--json").stdout
    paths = [disorder.root, *disorder.root.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    probe = subprocess.run([*drop, "touch", str(disorder.root / "probe")], capture_output=True, check=False)
    done = run(disorder.root, "--json", before=drop)
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)
    if probe.returncode == 0:
        pytest.skip("absent: a user whom permissions bind, or the right to become one")
    assert (done.returncode, done.stdout, done.stderr) == (1, expected, "")


BIND = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
TMPFS = 'mount -t tmpfs none "$1.mounted" && cp -r "$1/." "$1.mounted" && mount -o remount,ro "$1.mounted"'


@pytest.mark.parametrize(("mount", "suffix"), [(BIND, ""), (TMPFS, ".mounted")])
def test_it_works_on_a_read_only_mount(disorder, mount, suffix):
    mounted = Path(f"{disorder.root}{suffix}")
    mounted.mkdir(exist_ok=True)
    script = f'{mount} || exit 77; touch "$1{suffix}/probe" && exit 78; shift; exec "$@"'
    rights = ("--mount",) if os.geteuid() == 0 else ("--mount", "--user", "--map-root-user")
    within = ("unshare", *rights, "sh", "-c", script, "sh", disorder.root)
    if not shutil.which("unshare") or subprocess.run([*within, "true"], capture_output=True, check=False).returncode in (1, 77):
        pytest.skip("absent: the right to mount")
    expected = run(disorder.root, "--json").stdout.replace(str(disorder.root), str(mounted))
    done = run(mounted, "--json", before=within)
    assert (done.returncode, done.stdout) == (1, expected)


def test_it_loads_neither_torch_nor_gymnasium(store):
    program = (
        "import runpy, sys; sys.argv = ['audit.py', sys.argv[1]]\n"
        "try: runpy.run_path('jobs/audit.py', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "loaded = {'torch', 'gymnasium', 'matplotlib'} & set(sys.modules); assert not loaded, loaded"
    )
    command = [sys.executable, "-c", program, str(store.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
