import json
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path

import pytest
import wandb

from rlhpc.records import Training
from rlhpc.training import tracking
from rlhpc.training.tracking import Tracker, WandbConfig, run_id

TRAINING = Training("dmc1m", "dm_control/cheetah-run-v0", "ppo", 111, "Continuous", 100, {"class": "PPO", "n_envs": 2}, {})
OFFLINE = WandbConfig("offline", project="mine")


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """Nobody is logged in, nothing is configured, and no server can be reached."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    yield
    wandb.teardown()


@pytest.fixture
def track(tmp_path):
    """Track a training as `train` does, and return the tracker and its folder."""

    def track(config, score=2.5, folder=tmp_path / "training"):
        folder.mkdir(exist_ok=True)
        tracker = Tracker(TRAINING, config, "grid", folder)
        tracker.log({"train/episode_score": 1.5}, 10)
        tracker.log({"train/episode_score": 2.0}, 20)
        tracker.finish(score)
        return tracker, folder

    return track


@pytest.fixture
def ended(monkeypatch):
    """Collect, of every run that ends, what it leaves behind: its summary and its exit code."""
    collected = []
    real = wandb.Run.finish

    def finish(run, exit_code=None):
        collected.append((dict(run.summary), exit_code))
        real(run, exit_code=exit_code)

    monkeypatch.setattr(wandb.Run, "finish", finish)
    return collected


# --- identity --------------------------------------------------------------------------------------------------------


def test_the_run_of_a_training_is_always_the_same():
    assert run_id(TRAINING, "grid") == run_id(replace(TRAINING), "grid")
    assert len(run_id(TRAINING, "grid")) == 16


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"algo": "a2c"}, {"env_id": "X"}, {"benchmark": "b"}, {"total_timesteps": 1}, {"hyperparameters": {}}],
)
def test_the_run_of_another_training_is_another(change):
    assert run_id(replace(TRAINING, **change), "grid") != run_id(TRAINING, "grid")


def test_the_run_of_another_grid_is_another():
    assert run_id(TRAINING, "other") != run_id(TRAINING, "grid")


# --- offline ---------------------------------------------------------------------------------------------------------


def test_an_offline_run_is_kept_below_its_training_with_the_command_that_sends_it(track):
    tracker, folder = track(OFFLINE)
    record = tracker.record
    assert (record["mode"], record["run_id"], record["url"]) == ("offline", run_id(TRAINING, "grid"), None)
    wandb_command, sync, kept = shlex.split(record["sync_command"])
    assert (wandb_command, sync) == ("wandb", "sync")
    assert Path(kept).is_dir()
    assert Path(kept).is_absolute()
    assert Path(kept).is_relative_to(folder / "wandb")
    assert list(Path(kept).glob("*.wandb"))
    json.dumps(record, allow_nan=False)


def test_a_training_that_is_started_again_continues_the_same_run(track):
    first, again = (track(OFFLINE)[0].record for _ in range(2))
    assert first["run_id"] == again["run_id"]


def test_the_command_of_a_training_that_was_continued_sends_all_its_parts_oldest_first(track):
    _, folder = track(OFFLINE, score=None)
    (first,) = folder.glob("wandb/offline-run-*")
    first = first.rename(first.with_name(f"offline-run-20200101_000000-{run_id(TRAINING, 'grid')}"))
    first.with_name("offline-run-20200101_000000-another").mkdir()
    (first.parent / f"run-20200101_000000-{run_id(TRAINING, 'grid')}").mkdir()  # online: it was sent as it was made
    tracker, _ = track(OFFLINE)
    commands = [shlex.split(command) for command in tracker.record["sync_command"].split("; ")]
    assert [command[:2] for command in commands] == [["wandb", "sync"]] * 2
    assert [Path(command[2]) for command in commands] == [first, Path(tracker._run.settings.sync_dir)]
    assert all(list(Path(command[2]).glob("*.wandb")) for command in commands)


def test_a_run_holds_what_identifies_the_training_and_its_score(track, ended, monkeypatch):
    given = {}
    real = wandb.init
    monkeypatch.setattr(wandb, "init", lambda **arguments: given.update(arguments) or real(**arguments))
    track(WandbConfig("offline", "mine", group="mine", tags=("first",)))
    assert (given["name"], given["project"], given["group"]) == ("dmc1m/dm_control/cheetah-run-v0/ppo/111", "mine", "mine")
    assert given["tags"] == ["dmc1m", "dm_control/cheetah-run-v0", "ppo", "first"]
    assert given["config"].items() >= {"env_id": TRAINING.env_id, "algo": "ppo", "seed": 111, "n_envs": 2}.items()
    ((summary, exit_code),) = ended
    assert (summary["score"], exit_code) == (2.5, 0)


def test_values_are_logged_at_their_agent_steps(track, monkeypatch):
    logged = []
    monkeypatch.setattr(wandb.Run, "log", lambda _, values, step: logged.append((values, step)))
    track(OFFLINE)
    assert logged == [({"train/episode_score": 1.5}, 10), ({"train/episode_score": 2.0}, 20)]


def test_the_group_is_the_name_of_the_grid_unless_told_otherwise(track):
    assert track(OFFLINE)[0]._run.group == "grid"


def test_a_failed_training_ends_its_run_as_failed_and_without_a_score(track, ended):
    track(OFFLINE, score=None)
    ((summary, exit_code),) = ended
    assert "score" not in summary
    assert exit_code == 1


@pytest.mark.parametrize(
    "server",
    [
        None,
        "https://api.wandb.ai",
        "http://localhost:8080",
    ],
)
def test_with_an_entity_the_link_is_known_that_wandb_itself_would_give(track, monkeypatch, server):
    if server:
        monkeypatch.setenv("WANDB_BASE_URL", server)
    tracker, _ = track(replace(OFFLINE, entity="me"))
    assert tracker.record["url"] == tracker._run.settings.run_url
    assert tracker.record["url"].endswith(f"/me/mine/runs/{run_id(TRAINING, 'grid')}")


def test_the_entity_may_come_from_the_environment(track, monkeypatch):
    monkeypatch.setenv("WANDB_ENTITY", "team")
    assert f"/team/mine/runs/{run_id(TRAINING, 'grid')}" in track(OFFLINE)[0].record["url"]


# --- online, where no server can be reached ---------------------------------------------------------------------------


def test_without_a_key_an_online_run_goes_on_offline_and_says_so(track, capsys):
    tracker, folder = track(replace(OFFLINE, mode="online"))
    assert tracker.record["mode"] == "offline"
    assert Path(shlex.split(tracker.record["sync_command"])[2]).is_relative_to(folder)
    assert "Weights & Biases cannot be reached" in capsys.readouterr().out


def test_without_a_server_an_online_run_goes_on_offline_and_says_so(track, monkeypatch, capsys):
    monkeypatch.setattr(tracking, "INIT_TIMEOUT_SECONDS", 5)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens at the discard port
    started = time.monotonic()
    tracker, folder = track(replace(OFFLINE, mode="online"))
    assert time.monotonic() - started < 60
    assert tracker.record["mode"] == "offline"
    assert Path(shlex.split(tracker.record["sync_command"])[2]).is_relative_to(folder)
    assert "Weights & Biases cannot be reached" in capsys.readouterr().out


# --- configuration ---------------------------------------------------------------------------------------------------


def test_an_empty_project_is_a_fault():
    assert list(WandbConfig().faults()) == []
    assert list(WandbConfig(project="").faults()) == ["wandb.project is empty: name the project that the runs go to."]


@pytest.mark.parametrize(
    "config", [WandbConfig(project="a/b"), WandbConfig(project="p" * 200), WandbConfig(tags=("x" * 65,)), WandbConfig(tags=("",))]
)
def test_what_wandb_would_refuse_is_a_fault_before_any_training(config):
    assert len(list(config.faults())) == 1


def test_a_long_environment_id_does_not_end_the_training(tmp_path):
    training = replace(TRAINING, env_id="a_package.a_module.and_another_one:AnEnvironmentWithAVeryLongName-v0")
    Tracker(training, OFFLINE, "grid", tmp_path).finish(1.0)
