"""Slurm is asked once in half a minute, by however many of us look: need 18. The squeue of these tests counts its calls."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlhpc.cluster import recent
from rlhpc.cluster.recent import FRESH_SECONDS, RecentQueue

ROOT = Path(__file__).parents[2]
LINE = "12_3|3|mine-0|PENDING|Priority|N/A"
PROGRAM = (
    "import sys; from pathlib import Path; from rlhpc.cluster.recent import RecentQueue; "
    "answer = RecentQueue(Path(sys.argv[1])).read(['mine-0']); print(len(answer.elements), answer.fault)"
)


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Put a stand-in on PATH that writes down each call, and does what it is told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"
    calls.touch()

    def does(script):
        path = folder / "squeue"
        path.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
        path.chmod(0o755)

    does(f"echo '{LINE}'")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return SimpleNamespace(does=does, calls=lambda: calls.read_text().splitlines())


@pytest.fixture
def clock(monkeypatch):
    made = SimpleNamespace(now=time.time())
    monkeypatch.setattr(recent.time, "time", lambda: made.now)
    return made


def test_slurm_is_asked_again_only_after_half_a_minute(tmp_path, squeue, clock):
    queue = RecentQueue(tmp_path / "cache")
    for seconds, n_calls in ((0, 1), (1, 1), (FRESH_SECONDS - 2, 1), (2, 2), (FRESH_SECONDS, 3)):
        clock.now += seconds
        answer = queue.read(["mine-0"])
        assert (len(squeue.calls()), [each.job_id for each in answer.elements], answer.fault) == (n_calls, ["12_3"], "")
    assert answer.age_seconds == 0
    assert FRESH_SECONDS == 30


def test_processes_one_after_the_other_ask_once(tmp_path, squeue):
    for _ in range(3):
        told = subprocess.run(
            [sys.executable, "-c", PROGRAM, tmp_path / "cache"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert told.stdout == "1 \n"
    assert len(squeue.calls()) == 1


def test_processes_at_the_same_time_ask_once_and_all_get_the_answer(tmp_path, squeue):
    squeue.does(f"sleep 2; echo '{LINE}'")
    command = [sys.executable, "-c", PROGRAM, tmp_path / "cache"]
    looks = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [look.communicate(timeout=180)[0] for look in looks] == ["1 \n"] * 4
    assert len(squeue.calls()) == 1


def test_one_that_is_killed_while_it_asks_has_asked(tmp_path, squeue):
    squeue.does("kill -9 $PPID; sleep 1")
    subprocess.run([sys.executable, "-c", PROGRAM, tmp_path / "cache"], cwd=ROOT, capture_output=True, check=False)
    answer = RecentQueue(tmp_path / "cache").read(["mine-0"])
    assert "has not answered yet" in answer.fault
    assert len(squeue.calls()) == 1


@pytest.mark.parametrize(
    ("script", "seconds", "fault"),
    [("echo broken >&2; exit 1", 60, "broken"), ("exec sleep 30", 2, "did not answer within"), ("echo a", 60, "cannot be read")],
)
def test_a_slurm_that_does_not_answer_is_not_asked_again_at_once_either(tmp_path, squeue, monkeypatch, script, seconds, fault):
    monkeypatch.setattr(recent, "ANSWER_SECONDS", seconds)
    squeue.does(script)
    for _ in range(3):
        answer = RecentQueue(tmp_path / "cache").read(["mine-0"])
        assert fault in answer.fault
        assert answer.elements == ()
    assert len(squeue.calls()) == 1


def test_other_submissions_and_other_clusters_are_other_questions(tmp_path, squeue, monkeypatch):
    queue = RecentQueue(tmp_path / "cache")
    queue.read(["a", "b"])
    queue.read(["b", "a"])
    assert len(squeue.calls()) == 1
    queue.read(["a"])
    monkeypatch.setenv("SLURM_CONF", "/another/slurm.conf")
    queue.read(["a"])
    assert len(squeue.calls()) == 3


@pytest.mark.parametrize("folder", [None, "/proc/self/nowhere"])
def test_where_nothing_can_be_kept_a_process_keeps_its_own(squeue, folder):
    queue = RecentQueue(folder and Path(folder))
    for _ in range(3):
        assert len(queue.read(["mine-0"]).elements) == 1
    assert len(squeue.calls()) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"elements": [1], "answered_at": 0, "fault": ""}'])
def test_a_damaged_cache_is_no_answer(tmp_path, squeue, text):
    cache = tmp_path / "cache"
    RecentQueue(cache).read(["mine-0"])
    (path,) = cache.glob("*.json")
    path.write_text(text)
    assert len(RecentQueue(cache).read(["mine-0"]).elements) == 1
    assert len(squeue.calls()) == 2


def test_an_answer_from_the_future_is_none(tmp_path, squeue):
    cache = tmp_path / "cache"
    RecentQueue(cache).read(["mine-0"])
    (path,) = cache.glob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "answered_at": time.time() + 1_000}))
    RecentQueue(cache).read(["mine-0"])
    assert len(squeue.calls()) == 2


def test_old_answers_are_removed_and_nobody_else_can_read_them(tmp_path, squeue):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "old.json").write_text("{}")
    os.utime(cache / "old.json", (0, 0))
    RecentQueue(cache / "rlhpc").read(["a"])
    assert (cache / "rlhpc").stat().st_mode & 0o777 == 0o700
    RecentQueue(cache).read(["a"])
    assert not (cache / "old.json").exists()


def test_without_squeue_nothing_is_asked_or_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert RecentQueue(tmp_path / "cache").read(["a"]).fault == "'squeue' is not on PATH"
    assert not (tmp_path / "cache").exists()
