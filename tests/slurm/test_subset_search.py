"""The whole search by one sbatch: the bytes of the unsharded search, whatever is killed, repeated or wrong."""

import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

WRITTEN = ("ranking.csv", "sizes.csv", "problem.npz", "search.json")
SCRIPT = "slurm/subset_search.sh"
ALL = ("COMPLETED", "FAILED", "CANCELLED")


@pytest.fixture(scope="module")
def table(root, tmp_path_factory):
    """The thesis' table where it lies beside this repository, else one of the same size; with blanks in its path."""
    path = tmp_path_factory.mktemp("tables") / "of the thesis" / "all scores.csv"
    path.parent.mkdir()
    thesis = root.parent / "shared" / "data" / "thesis_scores.csv"
    if thesis.exists():
        shutil.copy(thesis, path)
        return path
    scores = np.random.default_rng(0).uniform(5, 120, size=(38, 7)).tolist()
    lines = ["Environments,Benchmark,Action Space,Base,Reference,a,b,c,d,e,f,g"]
    lines += [f"Env {env},made,Discrete,1,100,{','.join(map(repr, row))}" for env, row in enumerate(scores)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def whole(root, table, tmp_path_factory):
    """The folder of the unsharded search."""
    out = tmp_path_factory.mktemp("whole")
    command = [sys.executable, root / "jobs/subset_search.py", table, "--out", out]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.fixture
def call(root, cluster):
    """Call the script with this interpreter; what is exported before, such as SHARDS, are the keywords."""

    def call(*words, by=("bash",), script=SCRIPT, cwd=root, **env):
        env = {"PYTHON": sys.executable} | {name: str(value) for name, value in env.items()}
        return cluster.run(*by, script, *map(str, words), check=False, cwd=cwd, env=env)

    return call


def jobs_of(cluster):
    """The ids of all jobs there ever were, arrays as one."""
    return set(cluster.run("squeue -h -t all -o %A").stdout.split())


def driven(cluster, result, cwd):
    """Wait for the driver that sbatch submitted, and return what it printed."""
    assert result.returncode == 0, result.stderr
    job = result.stdout.split()[-1]
    cluster.wait(job, *ALL)
    log = cwd / f"slurm-{job}.out"
    text = log.read_text()
    log.unlink()
    return job, text


def ids(text):
    """The array and the merge that a driver tells of; None where there is no array."""
    array, merge = re.search(r"^Array job (\d+)", text, re.MULTILINE), re.search(r"^Merge job (\d+)", text, re.MULTILINE)
    return array and array[1], merge[1]


def merged(cluster, text):
    """Wait for the merge, and return its state."""
    return cluster.wait(ids(text)[1], *ALL)[0]


def assert_same(out, whole):
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in WRITTEN)


def file_states(folder):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize("n_shards", [1, 7, 16])
def test_one_sbatch_gives_the_bytes_of_the_unsharded_search(root, cluster, call, table, whole, tmp_path, n_shards):
    env = {} if n_shards == 16 else {"SHARDS": n_shards}  # 16 is the default
    options = ("sbatch", f"--output={tmp_path}/slurm-%j.out")
    _, text = driven(cluster, call(table, "--out", tmp_path / "out", by=options, **env), tmp_path)
    assert merged(cluster, text) == "COMPLETED"
    assert_same(tmp_path / "out", whole)
    array, merge = ids(text)
    logs = {path.name for path in (tmp_path / "out" / "slurm").iterdir()}
    assert logs == {f"merge-{merge}.out", *(f"shard-{array}_{index}.out" for index in range(n_shards))}
    assert f"{tmp_path}/out/slurm/shard-{array}_*.out" in text
    assert f"The result will be {tmp_path}/out/ranking.csv" in text


def test_searches_for_trust_figures_are_shared_by_the_shards(root, cluster, call, table, tmp_path):
    flags = ("--trust", "--permutations", 20, "--pairs", 5)
    command = [sys.executable, root / "jobs/subset_search.py", table, "--out", tmp_path / "whole", *map(str, flags)]
    subprocess.run(command, check=True, capture_output=True)
    options = ("sbatch", f"--output={tmp_path}/slurm-%j.out")
    _, text = driven(cluster, call(table, "--out", tmp_path / "out", *flags, by=options, SHARDS=5), tmp_path)
    assert merged(cluster, text) == "COMPLETED"
    assert_same(tmp_path / "out", tmp_path / "whole")
    assert (tmp_path / "out" / "redone.npz").read_bytes() == (tmp_path / "whole" / "redone.npz").read_bytes()
    assert len(list((tmp_path / "out" / "redone").iterdir())) == 5


@pytest.mark.parametrize("by", ["bash", sys.executable])
def test_from_a_login_node_no_driver_is_needed(cluster, call, table, whole, tmp_path, by):
    before = jobs_of(cluster)
    words = (table, "--out", tmp_path / "100%d ready")
    if by == "bash":
        result = call(*words, SHARDS=2, PARALLEL=1)
    else:
        result = call(*words, "--submit", "--n-shards", 2, "--at-once=1", by=(by,), script="jobs/subset_search.py")
    assert (result.returncode, result.stderr) == (0, "")
    assert merged(cluster, result.stdout) == "COMPLETED"
    assert_same(tmp_path / "100%d ready", whole)
    assert len(list((tmp_path / "100%d ready" / "slurm").iterdir())) == 3
    array, merge = ids(result.stdout)
    assert {array, merge} <= jobs_of(cluster) - before <= {array, merge, *map(str, range(int(array), int(merge) + 3))}


def test_relative_paths_are_those_of_the_folder_it_is_called_in(root, cluster, call, table, whole):
    folder = table.parent
    script = "../" * (len(folder.parts) - 1) + str(root / SCRIPT)[1:]
    _, text = driven(cluster, call(table.name, by=("sbatch",), script=script, cwd=folder, SHARDS=2), folder)
    assert merged(cluster, text) == "COMPLETED"
    out = folder / "logs" / "search" / "all scores"
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in WRITTEN if name != "search.json")


@pytest.fixture
def slow_python(tmp_path):
    """An interpreter that sleeps over the second of three shards while a file is there, and tells by another when it does."""
    wrapper, hold, sleeps = (tmp_path / name for name in ("slow python", "hold", "sleeps"))
    wrapper.write_text(
        "#!/bin/sh\n"
        f"case \"$*\" in *'--shard 1/3 '*) [ -e '{hold}' ] && touch '{sleeps}' && exec sleep 100 ;; esac\n"
        f"exec '{sys.executable}' \"$@\"\n"
    )
    wrapper.chmod(0o755)
    hold.touch()

    def wait():
        deadline = time.monotonic() + 300
        while not sleeps.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        hold.unlink()

    return wrapper, wait


def test_a_killed_shard_is_named_and_the_next_call_searches_it_alone(cluster, call, table, whole, tmp_path, slow_python):
    wrapper, wait_until_it_sleeps = slow_python
    words, env = (table, "--out", tmp_path / "out"), {"SHARDS": 3, "PYTHON": wrapper}
    first = call(*words, **env)
    array, merge = ids(first.stdout)
    wait_until_it_sleeps()
    cluster.run("scancel", f"{array}_1")
    assert cluster.wait(merge, *ALL) == ["FAILED"]
    said = (tmp_path / "out" / "slurm" / f"merge-{merge}.out").read_text()
    assert "shards are missing: 0001-of-0003." in said
    folder, again = re.search(r"To search what is missing, and merge, call again in '(.*)': (.*)", said).groups()
    assert not (tmp_path / "out" / "ranking.csv").exists()

    before = file_states(tmp_path / "out" / "shards")
    second = cluster.run("bash", "-c", again, cwd=folder)
    assert "searches shards 1;" in second.stdout
    assert merged(cluster, second.stdout) == "COMPLETED"
    assert_same(tmp_path / "out", whole)
    after = file_states(tmp_path / "out" / "shards")
    assert {name: state for name, state in after.items() if name != "0001-of-0003.npz"} == before

    third = call(*words, **env)  # nothing is missing
    assert ids(third.stdout)[0] is None
    assert merged(cluster, third.stdout) == "COMPLETED"
    assert file_states(tmp_path / "out" / "shards") == after


def test_a_requeued_shard_comes_to_the_same(cluster, call, table, whole, tmp_path, slow_python):
    wrapper, wait_until_it_sleeps = slow_python
    result = call(table, "--out", tmp_path / "out", SHARDS=3, PYTHON=wrapper)
    array, _ = ids(result.stdout)
    wait_until_it_sleeps()
    cluster.run("scontrol", "requeue", f"{array}_1")
    assert merged(cluster, result.stdout) == "COMPLETED"
    assert_same(tmp_path / "out", whole)


def test_two_searches_at_once_do_not_harm_each_other(cluster, call, table, whole, tmp_path):
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda n_shards: call(table, "--out", tmp_path, SHARDS=n_shards), [3, 3, 2]))
    assert [merged(cluster, result.stdout) for result in results] == ["COMPLETED"] * 3
    assert_same(tmp_path, whole)


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        (["none.csv"], {}, "none.csv"),
        (["TABLE", "--subset-sise", "3"], {}, "unrecognized arguments: --subset-sise"),
        (["TABLE", "--subset-size", "7"], {}, "not smaller than the number of algorithms, 7"),
        (["TABLE", "--shard", "0/3"], {}, "--shard is what --submit gives its jobs itself"),
        (["TABLE"], {"SHARDS": "0", "PARALLEL": "all"}, "PARALLEL='all' is no number"),
        (["TABLE"], {"PYTHON": "/none/python"}, "'/none/python' cannot start a job of rlhpc"),
        ([], {}, "the following arguments are required: DATASET"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_submitted(cluster, call, table, tmp_path, words, env, said):
    before = jobs_of(cluster)
    result = call(*[str(table) if word == "TABLE" else word for word in words], "--out", tmp_path / "out", **env)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
    assert jobs_of(cluster) == before


def test_a_driver_that_is_given_wrong_input_fails_with_2_and_submits_nothing(cluster, call, tmp_path):
    before = jobs_of(cluster)
    options = ("sbatch", f"--output={tmp_path}/slurm-%j.out")
    job, text = driven(cluster, call("none.csv", "--out", tmp_path / "out", by=options), tmp_path)
    assert "none.csv" in text
    assert "ExitCode=2:0" in cluster.run("scontrol", "show", "job", job).stdout
    assert not (tmp_path / "out").exists()
    assert jobs_of(cluster) - before == {job}


def test_shards_of_another_search_are_refused_before_anything_is_submitted(root, cluster, call, table, tmp_path):
    command = [sys.executable, "jobs/subset_search.py", table, "--subset-size", "2", "--out", tmp_path, "--shard", "1/16"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    before = jobs_of(cluster)
    result = call(table, "--out", tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "holds shards of another search" in result.stderr
    assert jobs_of(cluster) == before


def test_more_shards_than_an_array_may_have_are_refused_with_a_remedy(cluster, call, table, tmp_path):
    before = jobs_of(cluster)
    result = call(table, "--out", tmp_path / "out", SHARDS=1002)
    assert result.returncode == 2
    assert "Invalid job array specification" in result.stderr
    assert "whose MaxArraySize is 1001. Give SHARDS=1001 or fewer" in result.stderr
    assert not (tmp_path / "out").exists()
    assert jobs_of(cluster) == before


def test_an_array_whose_merge_is_refused_is_cancelled(cluster, call, table, tmp_path):
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    refusal = "echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1"
    sbatch.write_text(
        f'#!/bin/sh\ncase "$*" in *subset_search_merge*) {refusal} ;; esac\nexec {shutil.which("sbatch")} --hold "$@"\n'
    )
    sbatch.chmod(0o755)
    before = jobs_of(cluster)
    result = call(table, "--out", tmp_path / "out", PATH=f"{sbatch.parent}:{cluster.env['PATH']}")
    assert result.returncode == 1
    assert "QOSMaxSubmitJobPerUserLimit" in result.stderr
    (array,) = re.findall(r"the array (\d+) is cancelled", result.stderr)
    assert array in jobs_of(cluster) - before
    assert set(cluster.wait(array, "CANCELLED")) == {"CANCELLED"}


def fields(cluster, job):
    text = cluster.run("scontrol", "show", "job", job).stdout.partition("\n\n")[0]
    return dict(re.findall(r"(\S+?)=(\S*)", text))


def test_options_of_the_driver_hold_for_shards_and_merge(cluster, call, table, tmp_path):
    options = ["--partition=cpu", "--time=7", "--mem-per-cpu=900M", "--account=lab", "--exclude=n2", "--chdir", str(tmp_path)]
    options += ["--job-name=x Account=y", "--comment= QOS=z ", "--export=ALL,SHARDS=2"]
    shutil.copy(table, tmp_path / "scores.csv")
    env = {"SBATCH_TIMELIMIT": 9, "SBATCH_COMMENT": "of the lab"}
    _, text = driven(cluster, call("scores.csv", by=("sbatch", *options), **env), tmp_path)
    assert merged(cluster, text) == "COMPLETED"
    for job in ids(text):
        told = fields(cluster, job)
        wanted = {"Partition": "cpu", "TimeLimit": "00:07:00", "MinMemoryCPU": "900M", "Account": "lab", "ExcNodeList": "n2"}
        assert {name: told[name] for name in wanted} == wanted
        assert told["Requeue"] == "1"
    assert (tmp_path / "logs" / "search" / "scores" / "ranking.csv").exists()


def test_without_a_driver_the_variables_of_sbatch_hold(cluster, call, table, tmp_path):
    env = {"SBATCH_PARTITION": "cpu", "SBATCH_MEM_PER_NODE": "700M", "SBATCH_ARRAY_INX": "0-4", "SBATCH_OUTPUT": tmp_path / "x"}
    result = call(table, "--out", tmp_path / "out", SHARDS=2, **env)
    for job in ids(result.stdout):
        told = fields(cluster, job)
        assert (told["Partition"], told["MinMemoryNode"]) == ("cpu", "700M")
    assert merged(cluster, result.stdout) == "COMPLETED"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_memory_is_asked_for_where_nobody_says_how_much(cluster, call, table, tmp_path):
    result = call(table, "--out", tmp_path / "out", SHARDS=1)
    assert [fields(cluster, job)["MinMemoryNode"] for job in ids(result.stdout)] == ["2G", "2G"]
    assert merged(cluster, result.stdout) == "COMPLETED"


def test_a_dry_run_submits_nothing(cluster, call, table, tmp_path):
    before = jobs_of(cluster)
    result = call(table, "--out", tmp_path / "out", "--dry-run", SHARDS=5)
    assert result.returncode == 0
    assert "Shards: 5; stored already: 0." in result.stdout
    assert "--subset-size" in call("--help").stdout
    assert jobs_of(cluster) == before
    assert not (tmp_path / "out").exists()


def test_without_slurm_it_says_so(root, table, tmp_path):
    command = ["/bin/bash", SCRIPT, str(table)]
    (tmp_path / "readlink").symlink_to(shutil.which("readlink"))
    env = {"PATH": str(tmp_path), "PYTHON": sys.executable}
    result = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no sbatch here" in result.stderr


def test_the_script_is_sound_bash_and_asks_for_no_array(root):
    subprocess.run(["bash", "-n", SCRIPT], cwd=root, check=True)
    directives = re.findall(r"^#SBATCH (.*)$", (root / SCRIPT).read_text(), re.MULTILINE)
    assert "--no-requeue" in directives
    assert not any(directive.startswith(("--array", "--mem")) for directive in directives)
