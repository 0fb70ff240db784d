"""What status.py shows of grids on a real Slurm."""

import json
import tempfile

import pytest
from grids import LONG_STEP_SECONDS, Grid

pytestmark = pytest.mark.slow


def status(grid):
    """Return what the job answers as data; Slurm is asked anew, as if the last look were half a minute ago."""
    grid.env["XDG_CACHE_HOME"] = tempfile.mkdtemp(dir=grid.folder)
    done = grid.run("status", grid.store.root, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def states(grid):
    return {each["name"].rpartition("/")[2]: each["state"] for each in status(grid)["trainings"]}


def test_what_is_held_waits_with_the_reason_in_plain_words(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, "slurm.options={hold: true}", n_trainings=2)
    (told,) = grid.launch()["submitted"]
    shown = status(grid)
    assert shown["counts"]["waiting"] == 2
    assert {each["reason"] for each in shown["trainings"]} == {"held by you: scontrol release JOB"}
    assert {each["job"] for each in shown["trainings"]} == {told["job_id"]}
    cluster.run("scancel", told["job_id"])


def test_running_done_and_failed_trainings_of_one_grid_are_told_apart(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, n_trainings=4, step_seconds=LONG_STEP_SECONDS)
    (grid.trace / "fail-2").touch()
    grid.launch()
    grid.wait_for_checkpoints(3)
    grid.wait_for(lambda: states(grid)["2"] == "failed")
    moving = grid.wait_for(lambda: [each for each in status(grid)["trainings"] if each["steps_per_second"]])
    assert all(each["state"] == "running" and each["expected_end"] and 0 < each["percent"] < 100 for each in moving)
    (failed,) = [each for each in status(grid)["trainings"] if each["state"] == "failed"]
    assert "seed 2 is to fail" in failed["reason"]
    grid.wait_until_ended()
    assert states(grid) == {"1": "done", "2": "failed", "3": "done", "4": "done"}
