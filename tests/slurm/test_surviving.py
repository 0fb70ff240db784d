"""What a cluster does to jobs, done to a real grid: every training is stored once, and comes to what it comes to undisturbed."""

import sys

import grids
import psutil
import pytest
import tracing
from grids import LONG_STEP_SECONDS, Grid

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """Return the policies of the grid that all tests disturb."""
    return grids.undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def grid(cluster, tmp_path):
    """A grid that runs: each of its elements has saved something."""
    running = Grid(cluster, tmp_path)
    running.launch()
    running.wait_for_checkpoints(running.n_trainings)
    return running


def supervisors(grid):
    """Return the supervisors of a grid's elements, and the processes that Slurm started to speak for them."""
    processes = [process for process in psutil.process_iter(["cmdline", "environ"]) if process.info["cmdline"]]
    own = [process for process in processes if (process.info["environ"] or {}).get(tracing.TRACE) == str(grid.trace)]
    own = [process for process in own if process.info["cmdline"][0] == sys.executable]  # not the srun of that command
    speaking = [process for process in own if "submitit.core._submit" in process.info["cmdline"]]
    supervising = [process for process in own if "rlhpc.launch.assignment" in process.info["cmdline"]]
    return supervising, speaking


def assert_nothing_runs(grid):
    grid.wait_for(lambda: not any(supervisors(grid)))


def test_a_warning_signal_saves_requeues_and_continues(grid, undisturbed):
    ((job, state),) = grid.elements()
    assert state == "RUNNING"
    grid.cluster.run("scancel", "--signal=USR2", job)
    grid.assert_continued(undisturbed)
    assert "continues from its checkpoint" in grid.output()
    assert grid.output().count("starts ") == 2  # both lives of the element are in its log
    assert_nothing_runs(grid)


def test_a_requeue_from_outside_saves_and_continues(grid, undisturbed):
    ((job, _),) = grid.elements()
    grid.cluster.run("scontrol", "requeue", job)
    grid.assert_continued(undisturbed)


def test_what_submitit_left_of_writing_does_not_stop_a_requeued_element(grid, undisturbed):
    ((job, _),) = grid.elements()
    (folder,) = (path for path in (grid.store.root / "slurm").iterdir() if path.is_dir())
    for name in (f"{job}_submitted.pkl.save_tmp", f"{job}_0_result.pkl.save_tmp"):
        (folder / name).touch()
    grid.cluster.run("scancel", "--signal=USR2", job)
    grid.wait_until_ended()
    grid.assert_whole(undisturbed)
    assert not list(folder.glob("*.save_tmp"))


def test_a_time_limit_costs_a_requeue_and_nothing_else(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, *grids.TIME_LIMIT, **grids.BEYOND_TIME_LIMIT)
    grid.launch()
    undisturbed = grids.undisturbed(tmp_path / "undisturbed", n_trainings=1)
    grid.assert_continued(undisturbed, at_most=2)  # on a busy machine the second job, too, may be warned before it is done


def test_a_killed_supervisor_is_started_again_in_its_job(grid, undisturbed):
    (supervising,), (speaking,) = supervisors(grid)
    supervising.kill()
    grid.wait_until_ended()
    assert not speaking.is_running()
    grid.assert_whole(undisturbed)
    assert "killed by signal 9; it is started again" in grid.output()


def test_a_killed_element_leaves_nothing_running_and_a_relaunch_continues(grid, undisturbed):
    _, (speaking,) = supervisors(grid)
    speaking.kill()
    grid.wait_until_ended()
    assert_nothing_runs(grid)
    assert len(grid.results()) < grid.n_trainings
    grid.launch()
    grid.wait_until_ended()
    grid.assert_whole(undisturbed)


def test_scancel_of_one_element_leaves_the_other_and_a_relaunch_submits_the_rest_alone(cluster, tmp_path, undisturbed):
    grid = Grid(cluster, tmp_path, "packing.trainings_per_gpu=1", step_seconds=LONG_STEP_SECONDS)
    assert grid.launch()["n_array_elements"] == 2
    grid.wait_for_checkpoints(grid.n_trainings)
    first, second = sorted(job for job, _ in grid.elements())
    grid.cluster.run("scancel", first)
    grid.wait_for(lambda: [job for job, _ in grid.elements()] == [second])
    told = grid.launch()
    assert (told["n_to_train"], told["n_in_queue"], set(told["in_queue"].values())) == (2, 2, {second})
    grid.wait_until_ended()
    grid.assert_whole(undisturbed)


def test_a_launch_while_its_array_waits_or_runs_submits_nothing(cluster, tmp_path, undisturbed):
    grid = Grid(cluster, tmp_path, "slurm.options={hold: true}", step_seconds=LONG_STEP_SECONDS)
    grid.launch()
    told = grid.launch()
    assert (told["n_to_train"], told["n_in_queue"], told.get("submitted")) == (0, grid.n_trainings, None)
    ((job, state),) = grid.elements()
    assert state == "PENDING"
    grid.cluster.run("scontrol", "release", job)
    grid.wait_for_checkpoints()
    assert grid.launch()["n_in_queue"] == grid.n_trainings
    grid.wait_until_ended()
    grid.assert_whole(undisturbed)


def test_a_dead_node_costs_its_last_minutes_and_the_rest_goes_on_elsewhere(make_cluster, tmp_path, undisturbed):
    cluster = make_cluster(conf={"SlurmdTimeout": 10})
    grid = Grid(cluster, tmp_path)
    grid.launch()
    grid.wait_for_checkpoints(grid.n_trainings)
    node = cluster.run("squeue", "-h", "-o", "%N").stdout.strip()
    cluster.kill_node(node)
    assert not any(supervisors(grid))
    grid.wait_for(lambda: len(grid.results()) == grid.n_trainings, 400)
    grid.assert_continued(undisturbed)


PREEMPTION = {"PreemptType": "preempt/partition_prio", "PreemptMode": "REQUEUE"}
WARNING = {"SlurmctldParameters": "preempt_send_user_signal"}  # without it the grace begins with SIGTERM


@pytest.mark.parametrize(("grace_seconds", "warning"), [(0, {}), (25, {}), (25, WARNING)])
def test_a_preempted_element_goes_on_when_its_node_is_free_again(make_cluster, tmp_path, undisturbed, grace_seconds, warning):
    cluster = make_cluster(
        n_nodes=1,
        conf=PREEMPTION | warning,
        partitions={
            "gpu": f"Default=YES PriorityTier=1 GraceTime={grace_seconds} State=UP Nodes=ALL",
            "urgent": "PriorityTier=10 State=UP Nodes=ALL",
        },
    )
    grid = Grid(cluster, tmp_path)
    grid.launch()
    grid.wait_for_checkpoints(grid.n_trainings)
    whole_node = ("--exclusive", "--mem=0", "--output=/dev/null", "--wrap=sleep 1")
    urgent = cluster.run("sbatch", "--parsable", "--partition=urgent", *whole_node)
    cluster.wait(urgent.stdout.strip())
    assert len(grid.results()) < grid.n_trainings
    grid.wait_until_ended()
    grid.assert_whole(undisturbed)
    assert sum(grid.resumes().values()) >= grid.n_trainings
