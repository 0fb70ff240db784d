"""What squeue of a real Slurm prints is read, and reasons are explained."""

import re

import pytest

from rlhpc.cluster import queue
from rlhpc.cluster.queue import QueuedElement, explain, parse_queue, read_queue

TEXT = """\
4_0|0|mine-1|PENDING|None|2026-11-27T03:38:49
4_1|1|mine-1|PENDING|JobArrayTaskLimit|N/A
1|N/A|mine-0|RUNNING|None|2026-11-25T03:08:49
2|N/A|mine-2|COMPLETING|ReqNodeNotAvail, UnavailableNodes:n2|N/A
"""


def test_elements_and_plain_jobs_are_read():
    waits, limited, runs, ends = parse_queue(TEXT)
    assert waits == QueuedElement("4_0", "mine-1", 0, "PENDING", "None", "2026-11-27T03:38:49")
    assert (limited.index, limited.is_waiting, limited.starts_at) == (1, True, "")
    assert (runs.index, runs.is_waiting, runs.is_running, runs.is_ending) == (0, False, True, False)
    assert (ends.is_ending, ends.is_running, waits.is_running) == (True, False, False)


def test_an_element_knows_its_array_and_a_plain_job_is_its_own():
    assert [element.array_id for element in parse_queue(TEXT)] == ["4", "4", "1", "2"]


def test_nothing_is_asked_for_no_names(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert read_queue([]) == []


@pytest.mark.parametrize(
    ("reason", "explained"),
    [
        ("Priority", "higher priority"),
        ("(Resources)", "next, as soon as"),
        ("ReqNodeNotAvail, UnavailableNodes:n2", "down, drained or reserved"),
        ("QOSMaxJobsPerUserLimit", "grants no more at a time (QOSMaxJobsPerUserLimit)"),
        ("AssocGrpGRES", "granted no more at a time (AssocGrpGRES)"),
        ("DependencyNeverSatisfied", "scancel JOB"),
        ("QOSMaxWallDurationPerJobLimit", "never starts"),
        ("AssocMaxCpuPerJobLimit", "never starts"),
        ("SomethingNew", "Slurm says 'SomethingNew'"),
    ],
)
def test_reasons_are_explained_in_plain_words(reason, explained):
    assert explained in explain(reason)


def test_reasons_are_said_in_the_same_words_of_one_training_and_of_many():
    told = " ".join([*queue._REASONS.values(), explain("QOSMaxWallDurationPerJobLimit")])
    assert not {"it", "its", "they", "their"} & set(re.findall(r"\w+", told))
