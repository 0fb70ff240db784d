"""What a running training says of itself: seldom, cheaply, and without taking part in anything."""

import json
import os
import pickle
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rlhpc.results import progress
from rlhpc.results.progress import PROGRESS, Phase
from rlhpc.results.store import Store
from rlhpc.training import reporting
from rlhpc.training.node import supervise, tidy
from rlhpc.training.places import places
from rlhpc.training.reporting import Reporter, ReportingCallback
from rlhpc.training.settings import TrainSettings
from rlhpc.training.train import train

INTERVAL_SECONDS = TrainSettings("test").report_seconds
CONVERGENCE = {"evaluate_every": 64, "n_episodes": 1, "max_no_improvement": 100, "min_evaluations": 1}


@pytest.fixture
def clock(monkeypatch):
    made = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(reporting, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


@pytest.fixture
def written(monkeypatch):
    """Remember every report."""
    reports = []
    real = progress.write
    monkeypatch.setattr(progress, "write", lambda folder, report: (reports.append(report), real(folder, report)))
    return reports


@pytest.fixture
def reporter(tmp_path, make_training):
    return Reporter(make_training(total_timesteps=100_000), tmp_path, 3, INTERVAL_SECONDS)


def test_reports_come_soon_at_first_and_then_every_half_minute(reporter, clock, written):
    times = []
    while clock.now < 1_200:
        n = len(written)
        reporter.report(Phase.LEARNING, 0)
        times += [clock.now - 1_000] * (len(written) > n)
        clock.now += 0.5
    assert times == [0, 2, 6, 14, 30, 60, 90, 120, 150, 180]


def test_a_short_interval_holds_from_the_first_report_on(clock, written, tmp_path, make_training):
    reporter = Reporter(make_training(total_timesteps=100_000), tmp_path, 3, 1.0)
    for _ in range(8):
        reporter.report(Phase.LEARNING, 0)
        clock.now += 0.5
    assert len(written) == 4


def test_another_phase_is_told_at_once(reporter, clock, written):
    for phase in (Phase.LEARNING, Phase.LEARNING, Phase.EVALUATING, Phase.EVALUATING):
        reporter.report(phase, 1)
    assert [report.phase for report in written] == [Phase.LEARNING, Phase.EVALUATING]


def test_a_report_says_whose_and_where_it_is(reporter, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    reporter.report(Phase.LEARNING, 50_000)
    told, _ = progress.read(tmp_path)
    assert (told.attempt, told.timesteps, told.total_timesteps, told.percent) == (3, 50_000, 100_000, 50)
    assert (told.gpu, told.job, told.host) == ("1", "12_3", os.uname().nodename)
    assert told.started_at <= told.at
    assert told.may_end_early is False


def test_speed_counts_updates_and_forgets_what_is_long_ago(reporter, clock, written):
    """Rollouts of 10 seconds at 100 steps a second, each with 10 seconds of updates; then ten times slower."""
    timesteps = 0
    for seconds in [10] * 20 + [100] * 5:
        reporter.mark(timesteps)
        clock.now += seconds
        timesteps += 1000
        reporter.report(Phase.LEARNING, timesteps)
        clock.now += seconds
    early = [report.steps_per_second for report in written if report.timesteps <= 20_000]
    assert early[0] is None
    assert set(early[1:]) == {50.0}
    assert written[-1].steps_per_second == 5.0


def test_speed_is_of_this_attempt(reporter, clock, written):
    reporter.mark(90_000)
    clock.now += 10
    reporter.mark(90_100)
    reporter.report(Phase.LEARNING, 90_100)
    assert written[-1].steps_per_second == 10.0


def test_many_short_rollouts_are_not_all_remembered(reporter, clock):
    for step in range(10_000):
        reporter.mark(step)
        clock.now += 0.01
    assert len(reporter._marks) <= 101


def test_what_an_earlier_attempt_said_is_removed(tmp_path, make_training):
    (tmp_path / PROGRESS).write_text("{}")
    Reporter(make_training(), tmp_path, 2, INTERVAL_SECONDS)
    assert not (tmp_path / PROGRESS).exists()


def test_a_disk_that_takes_nothing_ends_no_training(tmp_path, make_training, settings, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress, "write", full)
    result, _ = train(make_training(), tmp_path, settings)
    assert result.timesteps == 64


def test_a_folder_in_its_place_ends_no_training(tmp_path, make_training, settings):
    (tmp_path / PROGRESS).mkdir()
    result, _ = train(make_training(), tmp_path, settings)
    assert result.timesteps == 64


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [Phase.LEARNING, Phase.EVALUATING]),
        ({"hyperparameters": {"class": "Random", "n_trials": 2, "n_episodes": 2}}, [Phase.EVALUATING]),
        ({"hyperparameters": {"class": "DQN", "learning_starts": 50}}, [Phase.LEARNING, Phase.EVALUATING]),
    ],
)
def test_every_kind_of_training_reports_all_of_its_phases(tmp_path, make_training, settings, written, changes, expected):
    training = make_training(**changes)
    result, _ = train(training, tmp_path, settings)
    assert [report.phase for report in written] == expected
    assert written[0].timesteps == 0
    if Phase.LEARNING in expected:
        assert (written[-1].timesteps, written[-1].percent) == (result.timesteps, 100.0)


def test_a_rule_that_may_end_it_early_is_told(tmp_path, make_training, settings, written):
    training = make_training(hyperparameters={**make_training().hyperparameters, "convergence": CONVERGENCE})
    train(training, tmp_path, settings)
    assert {report.may_end_early for report in written} == {True}


def test_reports_change_no_bit_of_the_result(tmp_path, make_training, settings, monkeypatch):
    """Also where every step is reported."""
    training = make_training(total_timesteps=256)
    monkeypatch.setattr(Reporter, "report", lambda *_: None)
    silent, _ = train(training, tmp_path / "silent", settings)
    monkeypatch.undo()
    told, _ = train(training, tmp_path / "told", replace(settings, report_seconds=0.0))
    assert (told.policy_sha256, told.episode_scores) == (silent.policy_sha256, silent.episode_scores)


def test_it_is_no_part_of_a_checkpoint(tmp_path, make_training, settings, monkeypatch):
    monkeypatch.setattr(ReportingCallback, "__reduce__", lambda self: pytest.fail("it was pickled"))
    monkeypatch.setattr(Reporter, "__reduce__", lambda self: pytest.fail("it was pickled"))
    with pytest.raises(pytest.fail.Exception):
        pickle.dumps(Reporter(make_training(), tmp_path, 1, INTERVAL_SECONDS))
    eager = settings.__class__("test", "cpu", checkpoint_minutes=0.0)
    train(make_training(total_timesteps=256), tmp_path, eager)
    assert list(tmp_path.glob("checkpoint-*"))


def test_it_is_gone_when_the_result_is_stored_and_tidied_beside_one(tmp_path, make_training, settings, listen):
    store, training = Store(tmp_path), make_training()
    supervise([training], places((), 1), store, settings, listen())
    path = store.folder(training) / PROGRESS
    assert store.has(training)
    assert not path.exists()
    path.write_text(json.dumps({}))
    tidy(store, training)
    assert not path.exists()
