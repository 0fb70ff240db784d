"""Jobs in the image on a real Slurm: what a cluster does to them costs nothing, and what they find is what the host finds."""

import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import grids
import numpy as np
import psutil
import pytest
from cluster import Cluster, MissingProgramsError, require_programs
from grids import Grid

pytestmark = [pytest.mark.slow, pytest.mark.slurm]

TRACING = Path(grids.__file__).parent  # where the environment is that trainings play
ALL = ("COMPLETED", "FAILED", "CANCELLED")
# Nothing of the host but what is bound: what Apptainer mounts by itself hides that something is not.
BARE = "container.options=[--no-mount,'home,cwd']"


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of two GPUs."""
    try:
        require_programs(accounting=False)
    except MissingProgramsError as error:
        pytest.skip(f"absent: {error}")
    with Cluster() as started:
        yield started


@pytest.fixture(autouse=True)
def runnable(monkeypatch):
    """Let root, who may lack the rights that Apptainer takes for granted, run images like an ordinary user."""
    if os.getuid() == 0:
        monkeypatch.setenv("APPTAINER_USERNS", "1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the policies of the grid, trained on the host."""
    return grids.undisturbed(tmp_path_factory.mktemp("undisturbed"))


def grid_in(image, cluster, folder, *overrides, **settings):
    """Return a grid whose elements run in an image."""
    grid = Grid(
        cluster,
        folder,
        f"container.image={image}",
        f"container.binds=[{TRACING},{folder / 'trace'}]",
        BARE,
        *overrides,
        **settings,
    )
    grid.env |= {name: value for name, value in os.environ.items() if name.startswith("APPTAINER")}
    return grid


@pytest.fixture
def grid(image, cluster, tmp_path):
    """A grid in the image that runs: each of its elements has saved something."""
    running = grid_in(image, cluster, tmp_path)
    running.launch()
    running.wait_for_checkpoints(running.n_trainings)
    return running


def of_images():
    """Return our processes that run or mount any image."""
    names = ("starter", "squashfuse", "apptainer")
    found = (each.info for each in psutil.process_iter(["name", "uids", "pid"]))
    return {info["pid"] for info in found if info["uids"] and info["uids"].real == os.getuid() and info["name"].startswith(names)}


@pytest.fixture(autouse=True)
def nothing_is_left():
    """See that nothing that runs or mounts an image is left by a test."""
    before = of_images()
    yield
    deadline = time.monotonic() + 120
    while of_images() - before:
        assert time.monotonic() < deadline, list(psutil.process_iter(["pid", "cmdline"]))
        time.sleep(0.3)


def test_a_warning_signal_saves_requeues_and_continues(image, grid, undisturbed):
    ((job, state),) = grid.elements()
    assert state == "RUNNING"
    grid.cluster.run("scancel", "--signal=USR2", job)
    grid.assert_continued(undisturbed)
    assert grid.output().count("starts ") == 2
    about = [result.container for result in grid.store.iterate()]
    assert {each["image"] for each in about} == {str(image)}
    with image.open("rb") as stream:
        assert {each["sha256"] for each in about} == {hashlib.file_digest(stream, "sha256").hexdigest()}
    assert "Bus error" not in grid.output()


def test_a_requeue_from_outside_saves_and_continues(grid, undisturbed):
    ((job, _),) = grid.elements()
    grid.cluster.run("scontrol", "requeue", job)
    grid.assert_continued(undisturbed)


def test_a_time_limit_costs_a_requeue_and_nothing_else(image, cluster, tmp_path):
    grid = grid_in(image, cluster, tmp_path, *grids.TIME_LIMIT, **grids.BEYOND_TIME_LIMIT)
    grid.launch()
    undisturbed = grids.undisturbed(tmp_path / "undisturbed", n_trainings=1)
    grid.assert_continued(undisturbed, at_most=2)  # on a busy machine the second job, too, may be warned before it is done


def test_what_is_cancelled_in_the_image_leaves_nothing_running_and_continues_on_the_host(grid, undisturbed):
    ((job, _),) = grid.elements()
    grid.cluster.run("scancel", job)
    grid.wait_until_ended()
    grid.launch("container.image=null")
    grid.assert_continued(undisturbed)
    assert {bool(result.container) for result in grid.store.iterate()} == {False}


def test_a_sharded_search_in_the_image_writes_the_bytes_of_the_host(image, root, cluster, tmp_path):
    table = tmp_path / "all scores" / "table.csv"
    table.parent.mkdir()
    scores = np.random.default_rng(0).uniform(5, 120, size=(20, 9)).tolist()
    lines = ["Environments,Benchmark,Action Space,Base,Reference,a,b,c,d,e,f,g,h,i"]
    lines += [f"Env {env},made,Discrete,1,100,{','.join(map(repr, row))}" for env, row in enumerate(scores)]
    table.write_text("\n".join(lines) + "\n")
    whole, out = tmp_path / "whole", tmp_path / "out"
    command = [sys.executable, root / "jobs/subset_search.py", table, "--out", whole]
    subprocess.run(command, check=True, capture_output=True)
    env = {"PYTHON": sys.executable, "CONTAINER": str(image), "SHARDS": "2"}
    env |= {name: value for name, value in os.environ.items() if name.startswith("APPTAINER")}
    called = cluster.run(
        *("sbatch", f"--output={tmp_path}/slurm-%j.out", "slurm/subset_search.sh", str(table), "--out", str(out)),
        env=env,
        cwd=root,
    )
    driver = called.stdout.split()[-1]
    assert cluster.wait(driver, *ALL)[0] == "COMPLETED", (tmp_path / f"slurm-{driver}.out").read_text()
    told = (tmp_path / f"slurm-{driver}.out").read_text()
    merge = re.search(r"^Merge job (\d+)", told, re.MULTILINE)[1]
    logs = "".join(path.read_text() for path in (out / "slurm").iterdir())
    assert cluster.wait(merge, *ALL, timeout=400)[0] == "COMPLETED", logs
    for name in ("ranking.csv", "sizes.csv", "problem.npz", "search.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
