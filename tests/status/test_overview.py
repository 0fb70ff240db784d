"""How trainings are counted, and which are called slow; and how that is said."""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from rlhpc.status.overview import overview
from rlhpc.status.state import Failure, Queue, State, TrainingStatus
from rlhpc.status.text import LINES_SHOWN, describe


@pytest.fixture
def running(now, make_progress):
    """Make a training that runs, halfway, and ends in so many minutes."""

    def make(seed, speed=100.0, algo="ppo", env_id="X-v0", minutes=10, slow="", **told):
        ends_at = now + dt.timedelta(minutes=minutes)
        name = f"bench/{env_id}/{algo}/{seed}"
        return TrainingStatus(
            name, State.RUNNING, "", Path("/l"), make_progress(**told), 500, 50.0, speed, ends_at, "12_3", slow=slow
        )

    return make


@pytest.fixture
def show(now):
    def shown(*found, queue=None, grid_fault=""):
        return overview(Path("logs/mine"), now, found, queue or Queue(), grid_fault)

    return shown


def at_rest(seed, state, reason="", **fields):
    return TrainingStatus(f"bench/X-v0/ppo/{seed}", state, reason, Path("/l"), **fields)


def test_trainings_are_counted_by_benchmark_and_algorithm(show, running, now):
    shown = show(running(1), running(2, 300.0, minutes=30), running(1, algo="a2c"), at_rest(3, State.DONE))
    assert [(group.benchmark, group.algo, group.n) for group in shown.groups] == [("bench", "a2c", 1), ("bench", "ppo", 3)]
    ppo = shown.groups[1]
    assert (ppo.counts[State.RUNNING], ppo.counts[State.DONE], ppo.counts[State.FAILED]) == (2, 1, 0)
    assert (ppo.steps_per_second, ppo.percent, ppo.ends_at) == (400.0, 50.0, now + dt.timedelta(minutes=30))
    assert (shown.total.n, shown.total.steps_per_second) == (4, 500.0)


def test_nothing_is_told_of_speed_where_nothing_runs(show):
    group = show(at_rest(1, State.DONE)).total
    assert (group.steps_per_second, group.percent, group.ends_at, group.at_the_latest) == (None, None, None, False)


def test_a_training_at_less_than_half_the_speed_of_its_other_seeds_is_slow(show, running):
    shown = show(*(running(seed, speed) for seed, speed in enumerate((100.0, 100.0, 110.0, 49.0, 51.0))))
    assert [each.slow for each in shown.trainings] == ["", "", "", "49 steps/s, where the median of its kind is 100", ""]


def test_with_few_seeds_other_environments_are_the_measure_and_with_few_of_those_nothing_is(show, running):
    few = [running(1, 100.0), running(1, 10.0, env_id="Y-v0")]
    assert [each.slow for each in show(*few).trainings] == ["", ""]
    enough = show(*few, running(1, 90.0, env_id="Z-v0")).trainings
    assert [bool(each.slow) for each in enough] == [False, True, False]
    slow_env = show(*(running(seed, 10.0, env_id="Y-v0") for seed in range(3)), *(running(seed) for seed in range(9)))
    assert not any(each.slow for each in slow_env.trainings)


# --- in words


def test_the_first_lines_say_the_most(show, running, now):
    folder, first, second, third, *_ = describe(
        show(running(1), at_rest(2, State.DONE), queue=Queue(age_seconds=12.3))
    ).splitlines()
    assert (folder, first) == ("logs/mine", "2 trainings: 1 done, 1 running")
    by = (now + dt.timedelta(minutes=10)).astimezone()
    assert second == f"1 running: 100 steps/s together; the last of them is expected to end at {by:%H:%M}"
    assert third == "Slurm's queue as of 12 seconds ago; what was cancelled or submitted since is not seen yet"
    assert "Slurm's queue as of 3 seconds ago" in describe(show(queue=Queue(age_seconds=3.4))).splitlines()


def test_a_slurm_that_did_not_answer_is_one_line_and_one_that_was_not_asked_is_none(show):
    assert "Slurm" not in describe(show(at_rest(1, State.WAITING)))
    fault = describe(show(queue=Queue(fault="'squeue' is not on PATH")))
    assert "Slurm's queue is not known ('squeue' is not on PATH); all else is as the files tell" in fault.splitlines()


def test_what_slurm_says_in_several_lines_is_said_in_one(show):
    text = describe(show(queue=Queue(fault="'squeue' failed: slurm_load_jobs error:\n  Unable to contact\n")))
    assert "Slurm's queue is not known ('squeue' failed: slurm_load_jobs error: Unable to contact); all else" in text


def test_once_all_is_stored_the_next_command_is_told_and_not_before_nor_of_a_grid_without_a_record(show):
    done = [at_rest(seed, State.DONE) for seed in range(3)]
    line = "all 3 trainings are stored; next, to collect their scores: python jobs/collect_scores.py logs/mine"
    assert describe(show(*done)).splitlines()[2] == line
    assert "the only training is stored; next" in describe(show(done[0]))
    for others in ((*done, at_rest(9, State.FAILED, "boom")), ()):
        assert "next" not in describe(show(*others))
    assert "next" not in describe(show(*done, grid_fault="'grid.json' is missing"))


def test_the_table_has_a_row_a_kind_and_a_total(show, running):
    shown = show(running(1), running(2, algo="ppo_converged", may_end_early=True), at_rest(3, State.FAILED, "boom"))
    table = describe(shown).splitlines()[4:8]
    assert table[0].split() == ["benchmark", "algorithm", "done", "running", "failed", "steps/s", "run%", "ends"]
    assert table[1].split()[:7] == ["bench", "ppo", "0/2", "1", "1", "100", "50"]
    assert table[2].endswith(" at the latest")
    assert table[3].split()[:4] == ["all", "0/3", "2", "1"]


def test_reasons_are_counted_with_their_jobs_and_the_first_expected_start(show):
    waiting = [
        at_rest(seed, State.WAITING, "behind other jobs", job=f"12_{seed}", starts_at=f"2025-06-01T{15 + seed}:00:00")
        for seed in range(5)
    ]
    text = describe(show(*waiting, at_rest(9, State.WAITING, "not submitted: launch again")))
    assert (
        "  - 5 trainings: behind other jobs (job 12_0, 12_1, 12_2 and 2 more; expected start 2025-06-01 15:00:00, earlier if"
        in text
    )
    assert "  - bench/X-v0/ppo/9: not submitted: launch again" in text


def test_jobs_are_named_in_the_order_of_their_numbers(show):
    waiting = [at_rest(seed, State.WAITING, "held", job=job) for seed, job in enumerate(("6_10", "6_2", "12", "6_2"))]
    assert "  - 4 trainings: held (job 6_2, 6_10, 12)" in describe(show(*waiting))


def test_the_time_zone_is_said_once_and_only_beside_a_time(show, running, now):
    zone = f"times are of the time zone {now.astimezone():%Z}"
    starts = at_rest(9, State.WAITING, "behind other jobs", starts_at="2025-06-01T15:00:00")
    assert [describe(show(*found)).count(zone) for found in ((running(1), starts), (starts,), (at_rest(1, State.DONE),))] == [
        1,
        1,
        0,
    ]


def test_a_question_mark_is_explained_below_the_table_where_there_is_one(show, running):
    starting = TrainingStatus("bench/X-v0/a2c/1", State.RUNNING, "starting", Path("/l"))
    lines = describe(show(running(1), starting)).splitlines()
    assert lines[5].split() == ["bench", "a2c", "0/1", "1", "?", "?"]
    assert lines[8].startswith("?: not known in the first minute")
    assert "?" not in describe(show(running(1)))


def test_a_failure_comes_with_the_end_of_its_traceback_its_log_and_what_to_do(show):
    failure = Failure("boom (2 attempts)", "mend it", 2, "Traceback\n  a\n  b\n  c\nValueError: boom\n", "/l/output.log", "", "")
    lines = describe(show(at_rest(1, State.FAILED, failure.reason, failure=failure))).splitlines()
    start = lines.index("failed:")
    assert lines[start + 1 :] == [
        "  - bench/X-v0/ppo/1: boom (2 attempts)",
        "      |   b",
        "      |   c",
        "      | ValueError: boom",
        "      log: /l/output.log",
        "      to do: mend it",
    ]


def test_what_failed_for_the_same_reason_is_told_once_with_the_first_log(show):
    failures = [Failure("boom", "mend it", 2, "Traceback\nboom", f"/l/{seed}.log", "", "") for seed in range(5)]
    failures.append(Failure("boom", "mend it", 2, "Traceback\nelsewhere", "/l/5.log", "", ""))
    lines = describe(
        show(*(at_rest(seed, State.FAILED, "boom", failure=each) for seed, each in enumerate(failures)))
    ).splitlines()
    assert lines[lines.index("failed:") + 1 :] == [
        "  - 5 trainings: boom",
        "      | Traceback",
        "      | boom",
        "      these: bench/X-v0/ppo/0, bench/X-v0/ppo/1, bench/X-v0/ppo/2, ...",
        "      log: /l/0.log",
        "      to do: mend it",
        "  - bench/X-v0/ppo/5: boom",
        "      | Traceback",
        "      | elsewhere",
        "      log: /l/5.log",
        "      to do: mend it",
    ]


@pytest.mark.parametrize("state", [State.FAILED, State.DAMAGED, State.SILENT])
def test_long_lists_are_cut(show, state):
    text = describe(show(*(at_rest(seed, state, f"reason {seed}") for seed in range(LINES_SHOWN + 2))))
    assert text.count(": reason ") == LINES_SHOWN
    assert "  - ... and 2 more; --json lists all" in text


def test_what_is_slow_is_named_with_its_place(show, running):
    text = describe(show(running(1, slow="no news for 11 minutes")))
    assert "worth a look:\n  - bench/X-v0/ppo/1: no news for 11 minutes; on n1, GPU 1, job 12_3; 50 %, expected end " in text


def test_an_end_on_another_day_says_which(show, running, now):
    by = (now + dt.timedelta(days=2)).astimezone()
    assert f"{by:%a %d %b %H:%M}" in describe(show(running(1, minutes=2 * 24 * 60)))


def test_a_fault_of_the_grid_or_of_its_folder_is_told(show):
    shown = dataclasses.replace(show(grid_fault="'grid.json' is missing"), folder_fault="the folder cannot be read just now")
    assert describe(shown).splitlines()[2:4] == ["the folder cannot be read just now", "'grid.json' is missing"]
