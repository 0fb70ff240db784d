"""When a training is saved: on a clock, when it is told to stop, and however little time it is given."""

import contextlib
import dataclasses
import multiprocessing
import random
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from rlhpc.errors import STOPPED, ForeignCheckpointError
from rlhpc.training import checkpoint, machine, saving, snapshot
from rlhpc.training.checkpoint import Checkpoints
from rlhpc.training.random_agent import Trials
from rlhpc.training.saving import Saver, Stopped
from rlhpc.training.settings import TrainSettings

ALWAYS, NEVER = 0.0, 1e9  # minutes between checkpoints
SECONDS_TO_END = 60  # for a process that is told to stop; far more than any needs


@pytest.fixture
def saver(tmp_path, make_training):
    """Make a saver of one training, which remembers what it said."""

    def make(checkpoint_minutes=ALWAYS, attempt=1, training=None, device="cpu"):
        said = []
        settings = TrainSettings("test", device, checkpoint_minutes=checkpoint_minutes)
        made = Saver(training or make_training(), tmp_path, settings, attempt, said.append)
        made.said = said
        return made

    return make


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """The time that savers see."""
    made = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(saving, "time", SimpleNamespace(monotonic=lambda: made.now, sleep=time.sleep))
    return made


def state(timesteps, **values):
    return Trials(timesteps=timesteps, **values)


def saved(checkpoints):
    """Return the state in the newest checkpoint."""
    _, found = checkpoints.read(lambda *_: None, snapshot.load, pytest.fail)
    return found


# --- the clock --------------------------------------------------------------------------------------------------------


def times_of_saving(saver, checkpoints, clock, rollouts, long=()):
    """Come to a boundary after each rollout, of a number of seconds, some known to be long; return when something was saved."""
    began, times = clock.now, []
    for timesteps, seconds in enumerate(rollouts, start=1):
        clock.now += seconds
        saver.at_boundary(state(timesteps), may_be_long=timesteps in long)
        if checkpoints.timesteps() == timesteps:
            times.append(clock.now - began)
    return times


@pytest.mark.parametrize(
    ("rollouts", "times"),
    [
        ([180] * 8, [540, 1080]),  # after nine minutes: the next boundary would come after twelve
        ([1] * 1300, [599, 1198]),
        ([700] * 3, [700, 1400, 2100]),  # one rollout is lost at most, where it is longer than the interval
        ([100, 100, 500, 10, 580], [700, 1290]),
        ([300, 300, 300, 300], [300, 600, 900, 1200]),
    ],
)
def test_it_is_saved_where_the_next_boundary_would_come_too_late(saver, checkpoints, clock, rollouts, times):
    assert times_of_saving(saver(10.0), checkpoints, clock, rollouts) == times


@pytest.mark.parametrize("rollout_seconds", [1, 7, 59, 60, 61, 150, 299, 300])
def test_a_kill_at_any_instant_costs_one_interval_at_most(saver, checkpoints, clock, rollout_seconds):
    times = times_of_saving(saver(5.0), checkpoints, clock, [rollout_seconds] * (3000 // rollout_seconds))
    lost = np.diff([0, *times])
    assert lost.max() <= 300
    assert lost.min() >= 300 - 2 * rollout_seconds  # and is not saved more often than that takes


def test_a_kill_costs_one_interval_at_most_where_some_rollouts_are_far_longer_than_others(saver, checkpoints, clock):
    """Rollouts of 5 s, with an evaluation of 240 s in every 119th, as PPO to convergence has them."""
    rollouts = [245 if n % 119 == 118 else 5 for n in range(119 * 8)]
    evaluated = {n for n, seconds in enumerate(rollouts) if seconds > 5}  # rollout n begins at boundary n
    lost = np.diff([0, *times_of_saving(saver(10.0), checkpoints, clock, rollouts, evaluated)])
    first = np.cumsum(lost).searchsorted(sum(rollouts[:119]))  # nobody knows yet how long the first evaluation takes
    assert lost[first] <= 600 + 240
    assert np.delete(lost, first).max() <= 600
    assert len(lost) <= 1.5 * sum(rollouts) / 600  # and that takes few more checkpoints


def test_a_rollout_that_is_longer_than_any_before_costs_as_much_more(saver, checkpoints, clock):
    assert times_of_saving(saver(10.0), checkpoints, clock, [5] * 110 + [800] + [5] * 10)[0] == 110 * 5 + 800


def test_one_pause_does_not_have_it_saved_at_every_boundary_for_ever(saver, checkpoints, clock):
    times = times_of_saving(saver(10.0), checkpoints, clock, [5] * 10 + [3600] + [5] * 1000)
    assert len(times) <= saving._REMEMBERED + 1000 * 5 / 595 + 1
    assert times[-1] - times[-2] == 595


def test_an_interval_of_0_saves_at_every_boundary(saver, checkpoints):
    made = saver(ALWAYS)
    for timesteps in (10, 20, 30):
        made.at_boundary(state(timesteps))
        assert checkpoints.timesteps() == timesteps
    assert len(checkpoints.paths()) == 2


def test_nothing_is_saved_before_the_first_step(saver, tmp_path):
    saver(ALWAYS).at_boundary(state(0))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_where_nothing_changed(saver, checkpoints):
    made = saver(ALWAYS)
    made.at_boundary(state(10))
    (written,) = checkpoints.paths()
    inode = written.stat().st_ino
    made.at_boundary(state(10))
    assert written.stat().st_ino == inode
    made.after_learning(state(10, learned=True))
    assert written.stat().st_ino != inode
    assert saved(checkpoints).learned


def test_what_was_learned_is_saved_before_it_is_evaluated(saver, checkpoints):
    saver(NEVER).after_learning(state(64, learned=True))
    assert saved(checkpoints) == state(64, learned=True)


def test_the_clock_begins_again_when_a_training_is_continued(saver, checkpoints, clock):
    saver(ALWAYS).at_boundary(state(10))
    made = saver(10.0)
    clock.now += 599  # of making environments
    found = made.resume()
    clock.now += 1
    made.at_boundary(dataclasses.replace(found, timesteps=20))
    assert checkpoints.timesteps() == 10


def test_a_header_says_what_was_saved_and_by_what(saver, checkpoints, make_training):
    saver(ALWAYS, attempt=4).at_boundary(state(10))
    header = checkpoint.read_header(checkpoints.paths()[0])
    assert (header.training, header.timesteps, header.attempt) == (make_training(), 10, 4)
    assert header.versions == machine.versions()
    assert header.device == machine.device("cpu")


# --- continuing -------------------------------------------------------------------------------------------------------


def test_without_a_checkpoint_there_is_nothing_to_continue(saver):
    assert saver().resume() is None


def test_a_state_is_continued_with_its_random_generators(saver):
    before = state(10, scores=[1.0, 2.5])
    random.seed(7)
    saver().at_boundary(before)
    drawn = random.random()
    found = saver().resume()
    assert dataclasses.replace(found, resumes=[]) == before
    assert random.random() == drawn


def test_each_continuation_is_recorded(saver, capsys):
    saver().at_boundary(state(1_234))
    made = saver(attempt=2)
    found = made.resume()
    assert capsys.readouterr().out == "continues from its checkpoint at 1,234 agent steps\n"
    found.timesteps = 2_000
    made.at_boundary(found)
    again = saver(attempt=5).resume()
    host = machine.device("cpu")["host"]
    records = [{name: resume[name] for name in ("timesteps", "attempt", "host", "differs")} for resume in again.resumes]
    assert records == [
        {"timesteps": 1_234, "attempt": 2, "host": host, "differs": {}},
        {"timesteps": 2_000, "attempt": 5, "host": host, "differs": {}},
    ]
    assert all(resume["at"].endswith("+00:00") for resume in again.resumes)


def test_a_continued_state_is_not_written_again(saver, checkpoints):
    saver().at_boundary(state(10))
    made = saver()
    inode = checkpoints.paths()[0].stat().st_ino
    made.at_boundary(made.resume())
    assert checkpoints.paths()[0].stat().st_ino == inode


def rewrite(checkpoints, **device):
    """Have the newest checkpoint made by another machine."""
    (path,) = checkpoints.paths()
    header = checkpoint.read_header(path)
    content = saved(checkpoints)
    made_elsewhere = dataclasses.replace(header, device={**header.device, **device})
    checkpoints.write(made_elsewhere, lambda stream: snapshot.dump(content, stream))


def test_a_machine_that_may_round_otherwise_is_recorded(saver, checkpoints):
    saver().at_boundary(state(10))
    rewrite(checkpoints, cpu="Another Processor", threads=64, host="elsewhere", visible_gpus="3")
    (resume,) = saver().resume().resumes
    here = machine.device("cpu")
    assert resume["differs"] == {"cpu": ["Another Processor", here["cpu"]], "threads": [64, here["threads"]]}
    assert resume["host"] == here["host"]


FOREIGN = {
    "seed": {"seed": 2},
    "environment": {"env_id": "Acrobot-v1"},
    "hyperparameter": {"hyperparameters": {"class": "PPO", "gamma": 0.5}},
    "budget": {"total_timesteps": 65},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_the_checkpoint_of_another_training_is_refused(saver, checkpoints, make_training, what):
    saver(training=make_training(**FOREIGN[what])).at_boundary(state(10))
    content = checkpoints.paths()[0].read_bytes()
    with pytest.raises(ForeignCheckpointError, match=r"cannot be continued: .* delete it to begin this training anew"):
        saver().resume()
    assert checkpoints.paths()[0].read_bytes() == content


def test_a_checkpoint_of_another_device_is_refused(saver, checkpoints):
    saver().at_boundary(state(10))
    rewrite(checkpoints, type="cuda")
    with pytest.raises(ForeignCheckpointError, match="made on the device cuda, and this is cpu"):
        saver().resume()


def test_a_checkpoint_of_other_packages_is_refused(saver, monkeypatch):
    saver().at_boundary(state(10))
    now = machine.versions()
    monkeypatch.setattr(machine, "versions", lambda: {**now, "torch": "99.0"})
    with pytest.raises(ForeignCheckpointError, match=f"torch {now['torch']} -> 99.0".replace("+", r"\+")):
        saver().resume()


def test_of_a_damaged_checkpoint_it_is_told_and_the_older_is_continued(saver, checkpoints):
    made = saver()
    made.at_boundary(state(10))
    made.at_boundary(state(20))
    newest = checkpoints.paths()[0]
    newest.write_bytes(newest.read_bytes()[:-1])
    again = saver()
    assert again.resume().timesteps == 10
    assert len(again.said) == 1
    assert "turns to the older 'checkpoint-000000000010'" in again.said[0]


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_a_training_that_is_told_to_stop_is_saved_at_the_next_boundary(saver, checkpoints):
    made = saver(NEVER)
    made.at_boundary(state(10))
    assert checkpoints.paths() == []
    made.request_stop(1e9)
    with pytest.raises(Stopped):
        made.at_boundary(state(20))
    assert saved(checkpoints) == state(20)


def test_a_stop_where_nothing_changed_writes_nothing(saver, checkpoints):
    made = saver(ALWAYS)
    made.at_boundary(state(10))
    inode = checkpoints.paths()[0].stat().st_ino
    made.request_stop(1e9)
    with pytest.raises(Stopped):
        made.at_boundary(state(10))
    assert checkpoints.paths()[0].stat().st_ino == inode


def in_a_process(body):
    """Run something in a process of its own, forked from this one; return its exit code."""
    process = multiprocessing.get_context("fork").Process(target=body, daemon=True)
    process.start()
    process.join(SECONDS_TO_END)
    if process.exitcode is None:
        process.kill()
        pytest.fail("did not leave in time")
    return process.exitcode


def rollout_without_end():
    time.sleep(10 * SECONDS_TO_END)


def test_before_a_rollout_that_may_be_long_the_state_is_kept_in_memory(saver, checkpoints):
    def body():
        made = saver(NEVER)
        made.at_boundary(state(10))
        made.at_boundary(state(20, scores=[1.5]), may_be_long=True)
        made.request_stop(2.2)
        rollout_without_end()

    assert in_a_process(body) == STOPPED
    assert saved(checkpoints) == state(20, scores=[1.5])


def test_where_no_boundary_comes_the_state_in_memory_is_written(saver, checkpoints, monkeypatch):
    monkeypatch.setattr(saving, "LONG_ROLLOUT_SECONDS", 0.0)

    def body():
        made = saver(NEVER)
        made.at_boundary(state(10))
        made.at_boundary(state(20, scores=[1.5]))
        assert checkpoints.paths() == []
        made.request_stop(2.2)
        rollout_without_end()

    assert in_a_process(body) == STOPPED == 75
    assert saved(checkpoints) == state(20, scores=[1.5])
    assert len(checkpoints.paths()) == 1


def test_short_rollouts_are_not_kept_in_memory(saver, monkeypatch):
    made = saver(NEVER)
    for timesteps in (10, 20):
        made.at_boundary(state(timesteps))
    assert made._in_memory is None
    monkeypatch.setattr(saving, "LONG_ROLLOUT_SECONDS", 0.0)
    made.at_boundary(state(30))
    assert made._in_memory[0].timesteps == 30


def test_what_is_in_memory_is_not_what_the_training_changes_meanwhile(saver, checkpoints, monkeypatch):
    monkeypatch.setattr(saving, "LONG_ROLLOUT_SECONDS", 0.0)

    def body():
        random.seed(3)
        made = saver(NEVER)
        trials = state(20, scores=[1.5])
        made.at_boundary(trials)
        trials.scores.append(99.0)
        random.random()
        made.request_stop(2.2)
        rollout_without_end()

    assert in_a_process(body) == STOPPED
    assert saver().resume().scores == [1.5]
    drawn = random.random()
    random.seed(3)
    assert random.random() == drawn


def test_without_a_state_in_memory_the_last_checkpoint_stays(saver, checkpoints):
    made = saver(ALWAYS)
    made.at_boundary(state(10))
    content = checkpoints.paths()[0].read_bytes()

    def body():
        again = saver(NEVER)
        again.at_boundary(again.resume())
        again.at_boundary(state(20))
        again.request_stop(2.2)
        rollout_without_end()

    assert in_a_process(body) == STOPPED
    (path,) = checkpoints.paths()
    assert (path.name, path.read_bytes()) == ("checkpoint-000000000010", content)


def test_a_training_without_any_checkpoint_leaves_too(saver, tmp_path):
    def body():
        saver(NEVER).request_stop(2.2)
        rollout_without_end()

    assert in_a_process(body) == STOPPED
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_memory_does_not_hide_what_is_newer_on_the_disk(saver, checkpoints, monkeypatch):
    monkeypatch.setattr(saving, "LONG_ROLLOUT_SECONDS", 0.0)

    def body():
        made = saver(NEVER)
        made.at_boundary(state(10))
        made.after_learning(state(20, learned=True))
        made.request_stop(2.2)
        rollout_without_end()

    assert in_a_process(body) == STOPPED
    assert saved(checkpoints) == state(20, learned=True)
    assert len(checkpoints.paths()) == 1


@pytest.mark.parametrize("seconds", [(10_000, 2.2), (2.2, 10_000), (10_000, 2.2, 10_000)])
def test_a_second_request_may_only_shorten_the_time(saver, seconds):
    def body():
        made = saver(NEVER)
        for granted in seconds:
            made.request_stop(granted)
        rollout_without_end()

    assert in_a_process(body) == STOPPED


def test_a_request_from_another_thread_is_heard(saver, checkpoints):
    def body():
        made = saver(NEVER)
        threading.Thread(target=made.request_stop, args=(10_000,)).start()
        try:
            for timesteps in range(1, 10 * SECONDS_TO_END):
                made.at_boundary(state(timesteps))
                time.sleep(0.05)
        except Stopped:
            raise SystemExit(STOPPED) from None

    assert in_a_process(body) == STOPPED
    assert checkpoints.timesteps() >= 1


@pytest.mark.parametrize("seconds", [2, 3])
def test_a_short_stop_leaves_time_for_a_short_rollout(saver, checkpoints, seconds):
    def body():
        made = saver(NEVER)
        made.at_boundary(state(10))
        made.request_stop(seconds)
        time.sleep(0.1)
        try:
            made.at_boundary(state(20))
        except Stopped:
            raise SystemExit(STOPPED) from None

    assert in_a_process(body) == STOPPED
    assert saved(checkpoints) == state(20)


def test_what_keeps_a_stop_from_saving_is_told_and_it_leaves_all_the_same(small_disk, make_training, monkeypatch, tmp_path):
    monkeypatch.setattr(saving, "LONG_ROLLOUT_SECONDS", 0.0)
    settings = TrainSettings("test", "cpu", checkpoint_minutes=NEVER)

    def body():
        told = lambda fault: (tmp_path / "told").write_text(repr(fault))  # noqa: E731
        made = Saver(make_training(), small_disk, settings, 1, pytest.fail, told)
        made.at_boundary(state(10, scores=[np.random.default_rng(1).bytes(8_000_000)]))
        made.request_stop(1)
        rollout_without_end()

    assert in_a_process(body) == STOPPED
    assert "No space left on device" in (tmp_path / "told").read_text()
    assert list(small_disk.iterdir()) == []


class SlowlyPickled:
    """A state that takes longer to be written than the stop leaves."""

    def __reduce__(self):
        time.sleep(3)
        return list, ()


def test_a_checkpoint_that_is_being_written_is_finished(saver, checkpoints):
    def body():
        made = saver(ALWAYS)
        made.request_stop(2.2)
        with contextlib.suppress(Stopped):
            made.at_boundary(state(10, scores=[SlowlyPickled()]))
        rollout_without_end()

    assert in_a_process(body) == STOPPED
    assert saved(checkpoints) == state(10, scores=[[]])


# --- what cannot be saved ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("long_rollout_seconds", [0.0, 1e9])
def test_a_state_that_cannot_be_saved_is_told_once_and_goes_on(saver, tmp_path, monkeypatch, long_rollout_seconds):
    monkeypatch.setattr(saving, "LONG_ROLLOUT_SECONDS", long_rollout_seconds)
    made = saver(NEVER if long_rollout_seconds == 0.0 else ALWAYS)
    for timesteps in (10, 20, 30):
        made.at_boundary(state(timesteps, scores=[threading.Lock()]))
    made.after_learning(state(30, scores=[threading.Lock()], learned=True))
    assert len(made.said) == 1
    assert made.said[0].startswith("This training cannot be saved (TypeError: cannot pickle '_thread.lock' object); if it is")
    assert "begins anew" in made.said[0]
    assert "pickle.dumps(env)" in made.said[0]
    assert list(tmp_path.iterdir()) == []
    made.request_stop(1e9)
    with pytest.raises(Stopped):
        made.at_boundary(state(40, scores=[threading.Lock()]))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_ends_the_training_and_leaves_the_older_checkpoint(small_disk, make_training):
    made = Saver(make_training(), small_disk, TrainSettings("test", "cpu", checkpoint_minutes=ALWAYS), 1, pytest.fail)
    made.at_boundary(state(10))
    noise = np.random.default_rng(1).bytes(8_000_000)
    with pytest.raises(OSError, match="No space left on device"):
        made.at_boundary(state(20, scores=[noise]))
    assert [path.name for path in small_disk.iterdir()] == ["checkpoint-000000000010"]
    assert saved(Checkpoints(small_disk)) == state(10)
