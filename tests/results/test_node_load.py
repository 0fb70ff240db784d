"""The file by which a supervisor says how busy its node is."""

import json
import os

import pytest

from rlhpc.results import node_load
from rlhpc.results.node_load import GpuLoad, NodeLoad

BUSY = NodeLoad("n1", "12_3", 16, 87.5, {"0": GpuLoad(76.0, 9.8, 85.9), "GPU-8f1c": GpuLoad(0.0, 0.1, 85.9)})


@pytest.fixture
def write(tmp_path):
    """Write the load of a node, renewed at some time of the file system's clock."""

    def put(load, at=1000.0, pid=77):
        where = node_load.path(tmp_path, load.host, load.job, pid)
        node_load.write(where, load)
        os.utime(where, (0, at))
        return where

    return put


def test_what_is_written_is_read(tmp_path, write):
    cores = NodeLoad("n2", "", 2, 100.0)
    write(BUSY)
    write(cores)
    assert node_load.read(tmp_path, since=1000.0) == [BUSY, cores]


def test_each_supervisor_has_a_file_of_its_own_and_takes_the_folder_with_the_last_one(tmp_path, write):
    alone = NodeLoad("n1", "", 2, 50.0)
    paths = [write(BUSY), write(BUSY, pid=6), write(alone, pid=7), write(alone, pid=8)]
    assert len(set(paths)) == 4
    for where in paths:
        assert where.exists()
        node_load.remove(where)
        assert not where.exists()
    node_load.remove(where)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_renewed_any_more_is_passed_over_and_removed_at_last(tmp_path, write):
    dead, living = write(BUSY, at=1000.0), write(NodeLoad("n2", "", 2, 50.0), at=2000.0)
    assert [load.host for load in node_load.read(tmp_path, since=1000.5)] == ["n2"]
    unfinished = dead.with_name(f".{dead.name}.0123.tmp")
    unfinished.touch()
    os.utime(unfinished, (0, 1000.0))
    node_load.remove_old(tmp_path, before=1000.5)
    assert not unfinished.exists()
    assert (dead.exists(), living.exists()) == (False, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"host": "n1"}',
        '{"host": "n1", "job": "", "n_cores": 2, "cores_busy_percent": NaN, "gpus": {}}',
        '{"host": "n1", "job": "", "n_cores": 2, "cores_busy_percent": "1", "gpus": {}}',
        '{"host": "n1", "job": "", "n_cores": 2, "cores_busy_percent": 1, "gpus": {"0": {"busy_percent": 1}}}',
        '{"host": "n1", "job": "", "n_cores": 2, "cores_busy_percent": 1, "gpus": {"0": 1}}',
        '{"host": "n1", "job": "", "n_cores": 2, "cores_busy_percent": 1, "gpus": []}',
    ],
)
def test_a_damaged_file_says_nothing_and_hides_no_other(tmp_path, write, text):
    write(BUSY)
    write(NodeLoad("n0", "", 2, 1.0)).write_text(text)
    assert node_load.read(tmp_path, since=0.0) == [BUSY]


def test_a_folder_without_any_has_none(tmp_path):
    assert node_load.read(tmp_path, since=0.0) == []
    node_load.remove_old(tmp_path, before=0.0)


def test_it_is_json_that_every_program_reads(write):
    assert json.loads(write(BUSY).read_text())["gpus"]["0"] == {"busy_percent": 76.0, "memory_gb": 9.8, "memory_total_gb": 85.9}
