"""The image does what the repository does, for an ordinary user and wherever it is shut off, and says what it is."""

import ast
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rlhpc.cluster.image import source_digest
from rlhpc.files import file_digest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))
BUILD, MAKE_BASE = ROOT / "containers" / "build.sh", ROOT / "containers" / "make_base.sh"
QUIET = ("apptainer", "--quiet")
HOME = "/opt/rlhpc"
SMALL = (
    *("--config", f"{HOME}/configs/demo.yaml", "name=small", "seeds=[111]", "budget.total_timesteps=256"),
    *("envs=[BreakoutNoFrameskip-v4,dm_control/cartpole-balance-v0]", "algos=[a2c,ppo,ppo_high_lr,recurrent_ppo,random]"),
    *("evaluation.n_episodes=1", "device=cpu"),
)
# From the host's home, folder and variables to nothing of the host at all.
SHUT_OFF = ["", "--containall --writable-tmpfs"]


@pytest.fixture
def run(user, image):
    """Run a job of the image as the ordinary user."""

    def run(*words, flags=(), **settings):
        return user.run(*QUIET, "run", *flags, image, *words, **settings)

    return run


@pytest.fixture
def inside(user, image):
    """Return what a command prints inside the image."""
    return lambda *words: user.run(*QUIET, "exec", "--containall", image, *words).stdout


def first_line(job):
    """Return the first line of a job's docstring."""
    return (ast.get_docstring(ast.parse((ROOT / "jobs" / f"{job}.py").read_text())) or "").splitlines()[0]


def files_of(user, *folders):
    """Return the user's files and folders below some folders, but for those below a mount of their own."""
    words = ["find", *map(str, folders), "-xdev", "-user", user.name, "-not", "-name", ".apptainer"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    return set(found.stdout.splitlines())


# --- what it runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_without_a_job_all_are_listed_by_the_first_line_of_their_help(run, words):
    listed = [line for line in run(*words).stdout.splitlines() if line.startswith("  ")]
    assert listed == [f"  {job:<18} {first_line(job)}" for job in JOBS]


@pytest.mark.parametrize("name", ["train", "status.py", "../jobs/status", f"{HOME}/jobs/status", "*", "a b", "-x"])
def test_what_is_no_job_is_refused_with_the_names_of_all(run, name):
    done = run(name, code=2)
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: '{name}' is no job of this image. Allowed:\n")
    assert re.findall(r"^  (\w+) ", done.stderr, re.MULTILINE) == JOBS


def test_the_arguments_and_the_exit_code_of_a_job_are_its_own(run, folder):
    for flags in ((), ("--cleanenv", "--no-home"), ("--containall",)):
        assert "examples:" in run("status", "--help", flags=flags).stdout
    done = run("status", folder / "two  words", code=2)
    assert "two  words" in done.stderr


@pytest.fixture(scope="module")
def cache(user, workplace):
    """A folder of the user's for what is compiled, which takes a while."""
    made = workplace / "cache"
    made.mkdir()
    return user.own(made)


@pytest.mark.parametrize("flags", SHUT_OFF)
def test_a_grid_is_trained_searched_and_reported_and_nothing_else_is_written(user, image, run, folder, cache, flags):
    before = files_of(user, "/tmp", "/var/tmp", "/dev/shm", user.home)  # noqa: S108
    out = folder / "out"
    out.mkdir()
    user.own(out)
    # What is compiled and kept goes where we say, and not to a home that is mounted.
    kept = "XDG_CACHE_HOME=/cache,MPLCONFIGDIR=/cache/matplotlib"
    words = [*flags.split(), "--bind", f"{out}:/out,{cache}:/cache", "--env", kept]

    def job(*rest):
        return run(*rest, flags=words, cwd=folder).stdout

    job("launch_training", "--cluster", "local", "logs_dir=/out", *SMALL)
    assert json.loads(job("audit", "--json", "/out/small"))["counts"]["stored"] == 10
    job("collect_scores", "/out/small")
    job(
        "subset_search", "/out/small/dataset.csv", "--subset-size", "1", "--out", "/out/small", "--costs", "/out/small/scores.csv"
    )
    job("subset_report", "/out/small", "--scores", "/out/small/scores.csv", "--permutations", "20")
    job("predict_benchmark", "/out/small", "--scores", "/out/small/scores.csv")

    for name in ("scores.csv", "dataset.csv", "ranking.csv", "search.json", "trust.json", "report.html", "subset.json"):
        assert (out / "small" / name).stat().st_size > 0, name
    assert {path.lstat().st_uid for place in (out, cache) for path in place.rglob("*")} == {user.uid}
    result = json.loads(next((out / "small").rglob("result.json")).read_text())
    sha256 = "" if flags else file_digest(image)  # the file is not seen by what is shut off
    assert result["result"]["container"].items() >= {"image": str(image), "sha256": sha256}.items()
    after = files_of(user, "/tmp", "/var/tmp", "/dev/shm", user.home)  # noqa: S108
    # torch leaves an empty folder for its compiler wherever temporary files go.
    new = {path for path in after - before if not path.startswith((str(out), str(cache), "/tmp/torchinductor_"))}  # noqa: S108
    assert new <= {str(folder)}


def test_a_search_works_without_a_home_to_keep_what_was_compiled(run, folder):
    (folder / "table.csv").write_text(
        "Environments,Benchmark,Action Space,Base,Reference,a,b,c,d,e\n"
        + "".join(f"env{i},test,Discrete,0,100,{50 + i},{20 + 9 * i},{80 - 7 * i},{33 + i * i},{60 - i}\n" for i in range(5))
    )
    run(
        *("subset_search", "/out/table.csv", "--subset-size", "2", "--out", "/out/search"),
        flags=("--containall", "--no-home", "--bind", f"{folder}:/out"),
    )
    assert {path.name for path in folder.iterdir()} == {"table.csv", "search"}
    assert (folder / "search" / "ranking.csv").exists()


@pytest.mark.parametrize("flags", ["--containall", "--containall --writable-tmpfs"])
@pytest.mark.parametrize("where", ["logs", "/opt/logs"])
def test_a_job_whose_results_would_be_gone_with_the_container_refuses(run, folder, flags, where):
    done = run("launch_training", "--cluster", "local", f"logs_dir={where}", *SMALL, flags=flags.split(), cwd=folder, code=None)
    assert done.returncode in {1, 2}
    assert any(why in done.stderr for why in ("memory of this container", "Read-only file system", "Permission denied"))
    assert "of the host's folders only those that are bound are here" in done.stderr
    assert not list(folder.rglob("*"))


def test_modules_of_the_hosts_pythonpath_are_found_and_never_take_the_place_of_the_images(user, image, folder):
    (folder / "of_mine.py").touch()
    (folder / "numpy.py").touch()
    (folder / "rlhpc").mkdir()
    (folder / "rlhpc/__init__.py").touch()
    code = "import numpy, of_mine, rlhpc; print(numpy.__file__, of_mine.__file__, rlhpc.__file__)"
    words = (*QUIET, "exec", "--bind", folder, image, "python", "-c", code)
    told = user.run(*words, cwd="/", env={"PYTHONPATH": str(folder)}).stdout.split()
    assert told == [
        "/opt/venv/lib/python3.11/site-packages/numpy/__init__.py",
        f"{folder}/of_mine.py",
        f"{HOME}/rlhpc/__init__.py",
    ]


def wait_until_it_learns(launch, folder):
    """Wait until the training of a launch has made a step: what is stopped before has nothing to save."""
    deadline = time.monotonic() + 300
    while not any(json.loads(path.read_text())["timesteps"] for path in folder.rglob("progress.json")):
        assert launch.poll() is None, launch.stdout.read()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_one_interrupt_that_apptainer_passes_on_as_well_stops_and_saves(user, image, folder):
    """A whole group of processes is interrupted, as by a batch script."""
    words = (*SMALL, "envs=[CartPole-v1]", "algos=[ppo]", "budget.total_timesteps=10_000_000", f"logs_dir={folder}")
    job = user.command(*QUIET, "run", "--bind", folder, image, "launch_training", "--cluster", "local", *words)
    group = {"cwd": folder, "start_new_session": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(job, **group) as running:
        wait_until_it_learns(running, folder)
        os.killpg(running.pid, signal.SIGINT)
        told = running.communicate(timeout=180)[0]
    assert running.returncode == 75, told
    assert list(folder.rglob("checkpoint-*"))


def test_a_job_that_is_told_to_write_into_the_image_says_what_to_do(run):
    done = run("launch_training", "--cluster", "local", "logs_dir=/opt/logs", *SMALL, code=1)
    assert "cannot write to the folder '/opt/logs/small" in done.stderr
    assert "give another folder" in done.stderr


def test_packages_of_the_users_home_are_not_mixed_up_with_the_images(user, image):
    site = user.home / ".local/lib/python3.11/site-packages"
    made = not site.exists()
    user.run("mkdir", "-p", site)
    user.run("sh", "-c", f"echo 'raise SystemExit(9)' >{site}/rlhpc_of_home.py")
    try:
        user.run(*QUIET, "exec", image, "python", "-c", "import rlhpc, torch")
        code = "import importlib.util as u; assert u.find_spec('rlhpc_of_home') is None"
        user.run(*QUIET, "exec", image, "python", "-c", code)
    finally:
        user.run("rm", "-r", user.home / ".local" if made else site / "rlhpc_of_home.py")


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_apptainer_reaches_the_job_which_saves_and_leaves(user, image, folder, number):
    words = (*SMALL, "envs=[CartPole-v1]", "algos=[ppo]", "budget.total_timesteps=10_000_000", f"logs_dir={folder}")
    job = user.command(*QUIET, "run", "--bind", folder, image, "launch_training", "--cluster", "local", *words)
    with subprocess.Popen(job, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        wait_until_it_learns(running, folder)
        (apptainer,) = pids_of(user, "Apptainer runtime parent: ")
        user.run("kill", f"-{number.value}", apptainer)
        told = running.communicate(timeout=180)[0]
    assert running.returncode == 75, told
    assert "stopped, to be continued" in told
    assert list(folder.rglob("checkpoint-*"))


def pids_of(user, words):
    """Return the numbers of the user's processes whose command line begins with some words."""
    found = subprocess.run(["pgrep", "-u", user.name, "-f", f"^{words}"], capture_output=True, text=True, check=False)
    return found.stdout.split()


# --- what it is --------------------------------------------------------------------------------------------------------


def test_it_was_tested_as_it_was_built_or_passes_now(user, image, build_log):
    printed = build_log or user.run(*QUIET, "test", "--containall", image).stdout
    tested = re.findall(r"^test: (.*)$", printed, re.MULTILINE)
    assert tested == ["a training", "a frame by egl", "a frame by osmesa", "a search", "passed"]


def test_labels_and_the_file_inside_agree_with_each_other_and_with_the_sources(user, image, inside, folder):
    told = json.loads(inside("cat", f"{HOME}/image.json"))
    labels = json.loads(user.run(*QUIET, "inspect", "--json", "--labels", image).stdout)["data"]["attributes"]["labels"]
    assert labels["org.opencontainers.image.title"] == "rlhpc"
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["org.opencontainers.image.version"] == told["version"]
    assert labels["org.opencontainers.image.created"] == told["built_at"]
    assert re.fullmatch(r"[0-9a-f]{40}(-changed)?|unknown", labels["org.opencontainers.image.revision"])
    assert (
        labels["rlhpc.python"]
        == told["python"]
        == inside("python", "-c", "import platform; print(platform.python_version())").strip()
    )
    assert labels["rlhpc.source_sha256"] == told["source_sha256"]

    parts = [f"{HOME}/{name}" for name in ("rlhpc", "jobs", "configs", "constraints.txt")]
    user.run(*QUIET, "exec", "--bind", f"{folder}:/out", image, "cp", "-r", *parts, "/out")
    assert told["source_sha256"] == source_digest(folder)


def test_packages_have_the_versions_of_constraints(inside):
    installed = dict(line.split("==") for line in inside("python", "-m", "pip", "freeze", "--exclude-editable").split())
    wanted = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#")

    def plain(versions):
        return {re.sub(r"[-_.]+", "-", name).lower(): version.partition("+")[0] for name, version in versions.items()}

    assert plain(installed).items() <= plain(wanted).items()


def test_it_holds_the_sources_compiled_and_nothing_else_of_the_tree(inside):
    paths = inside("find", HOME, "-type", "f", "-printf", "%P\\n").splitlines()
    sources = [path for path in paths if path.endswith(".py")]
    compiled = {f"{Path(path).parent}/__pycache__/{Path(path).stem}.cpython-311.pyc" for path in sources}
    assert compiled == {path for path in paths if path.endswith(".pyc")}
    assert {path.split("/")[0] for path in paths} == {
        *("rlhpc", "jobs", "configs", "slurm", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "image.json")
    }
    kinds = {Path(path).suffix for path in paths} - {".pyc"}
    assert kinds == {".py", ".yaml", ".sh", ".toml", ".txt", ".md", ".json", ".html", ".css", ".js", ""}


def test_everybody_may_read_and_start_it(user, image, inside):
    assert image.stat().st_mode & 0o555 == 0o555
    assert inside("find", HOME, "-not", "-perm", "-a=r") == ""


# --- how it is built ---------------------------------------------------------------------------------------------------


def test_a_base_is_debian_with_the_sources_of_its_packages(user, bare_image):
    told = user.run(*QUIET, "exec", "--containall", bare_image, "cat", "/etc/os-release").stdout
    assert "VERSION_CODENAME=bookworm" in told
    assert "bookworm" in user.run(*QUIET, "exec", bare_image, "cat", "/etc/apt/sources.list").stdout
    assert user.run(*QUIET, "exec", "--containall", bare_image, "ls", "-A", "/mnt").stdout == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_stopped_leaves_the_older_image_and_no_half_one(user, tree, base, folder, number):
    (folder / "image.sif").write_text("an older image")
    (folder / "work").mkdir()
    user.own(folder)
    words = ("bash", tree / "containers/build.sh", folder / "image.sif", "--base", base)
    command = user.command(*words, env={"APPTAINER_TMPDIR": str(folder / "work")})
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as building:
        for line in building.stdout:
            if "Running post scriptlet" in line:
                break
        time.sleep(2)
        (script,) = pids_of(user, f"bash {tree}/containers/build.sh")
        user.run("kill", f"-{number.value}", script)
        building.communicate(timeout=120)
    assert building.returncode == 128 + number
    assert [path.name for path in folder.iterdir() if path.name != "work"] == ["image.sif"]
    assert (folder / "image.sif").read_text() == "an older image"
    assert list((folder / "work").iterdir()) == []
    assert pids_of(user, ".*apptainer build") == []


def refused(script, *words, cwd, **env):
    """Run a script that refuses its input; return why, once it was seen that it wrote nothing."""
    before = sorted(cwd.rglob("*"))
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "APPTAINER_TMPDIR": str(cwd), **env}
    done = subprocess.run(
        ["bash", script, *map(str, words)], cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert sorted(cwd.rglob("*")) == before
    assert all(line.startswith("error: ") for line in done.stderr.splitlines()), done.stderr
    return done.stderr


@pytest.fixture
def other_python(tmp_path):
    """A Python of another version."""
    program = tmp_path / "python3.9"
    program.write_text("#!/bin/sh\necho 3.9\n")
    program.chmod(0o755)
    return program


def test_faults_of_a_build_are_told_all_at_once_and_before_it_begins(user, tmp_path, other_python):
    words = ("image.tar", "--base", "absent.tar", "--wheelhouse", "wheels", "--fast")
    told = refused(BUILD, *words, cwd=tmp_path, PYTHON=str(other_python))
    assert "there is no option '--fast'" in told
    assert f"'{tmp_path}/image.tar' does not end in .sif" in told
    assert f"cannot read '{tmp_path}/absent.tar'" in told
    assert "make_base.sh" in told
    assert f"'{other_python}' is Python 3.9" in told


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["a.sif", "b.sif"], "one image at a time"),
        (["--base"], "--base needs a value"),
        (["--base="], "--base needs a value"),
        (["--base=/absent/base"], "'/absent/base' is no base"),
        (["--base", "/absent/base"], "'/absent/base' is no base"),
        (["absent/image.sif"], "make that folder"),
        (["--wheelhouse", "a:b"], "a colon or a comma"),
    ],
)
def test_a_wrong_command_line_of_a_build_is_refused(user, tmp_path, words, reason):
    assert reason in refused(BUILD, *words, cwd=tmp_path)


def test_a_build_without_apptainer_is_refused(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "readlink", "realpath", "df", "tail"):
        (programs / name).symlink_to(Path("/usr/bin", name))
    assert "there is no apptainer" in refused("/" / BUILD, cwd=tmp_path, PATH=str(programs))


def test_a_build_on_a_disk_that_is_too_small_is_refused(user, tmp_path, small_disk):
    told = refused(BUILD, cwd=tmp_path, APPTAINER_TMPDIR=str(small_disk))
    assert re.search(rf"'{small_disk}', .* has 0 GB free, and \d+ are needed", told)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "give the file to write"),
        (["base.img"], "does not end in .tar"),
        (["absent/base.tar"], "make that folder"),
        (["--help", "base.tar"], "give the file to write"),
    ],
)
def test_a_wrong_command_line_of_a_base_is_refused(tmp_path, words, reason):
    assert reason in refused(MAKE_BASE, *words, cwd=tmp_path)
