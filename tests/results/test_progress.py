"""The file by which a training that runs says how far it is."""

import dataclasses
import json
import os

import pytest

from rlhpc.results import progress
from rlhpc.results.audit import audit
from rlhpc.results.collect import collect
from rlhpc.results.progress import PROGRESS, Phase, Progress

HALF = Progress(
    attempt=2,
    timesteps=500,
    total_timesteps=1000,
    may_end_early=False,
    phase=Phase.LEARNING,
    steps_per_second=12.5,
    at="2025-01-01T00:00:30+00:00",
    started_at="2025-01-01T00:00:00+00:00",
    gpu="1",
    host="n1",
    job="12_3",
)


def test_what_is_written_is_read_with_the_time_of_its_file(tmp_path):
    progress.write(tmp_path, HALF)
    os.utime(tmp_path / PROGRESS, (0, 1234.0))
    assert progress.read(tmp_path) == (HALF, 1234.0)
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS]


def test_it_is_told_in_percent_where_there_is_a_budget():
    assert HALF.percent == 50.0
    assert dataclasses.replace(HALF, total_timesteps=0).percent is None


@pytest.mark.parametrize(
    "change",
    [{"timesteps": "many"}, {"phase": "sleeping"}, {"steps_per_second": "fast"}, {"at": None}, {"another": 1}, {"job": 12}],
)
def test_what_was_edited_says_nothing(tmp_path, change):
    (tmp_path / PROGRESS).write_text(json.dumps({**dataclasses.asdict(HALF), **change}))
    assert progress.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "\x00"])
def test_what_a_power_cut_left_says_nothing(tmp_path, text):
    (tmp_path / PROGRESS).write_text(text)
    assert progress.read(tmp_path) is None


def test_nothing_is_read_where_there_is_nothing(tmp_path):
    assert progress.read(tmp_path) is None
    assert progress.read(tmp_path / "absent") is None


def test_what_killed_writers_left_is_removed_with_it(tmp_path):
    progress.write(tmp_path, HALF)
    (tmp_path / f".{PROGRESS}.0123.tmp").write_text("{")
    (tmp_path / "result.json").write_text("{}")
    progress.remove(tmp_path)
    progress.remove(tmp_path)
    progress.remove(tmp_path / "absent")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_it_is_no_fault_for_an_audit_and_nothing_for_a_collection(store, put):
    result = put("X-v0", "ppo", 1, 1.0)
    store.write_grid([result.training])
    before = collect(store, ())
    progress.write(store.folder(result.training), HALF)
    assert audit(store).in_order
    assert collect(store, ()).problems == before.problems
