import json

import pytest

from rlhpc.cluster import submission
from rlhpc.cluster.queue import QueuedElement

ELEMENTS = (("a", "b"), ("c",))


def queued(submitted, index, state="PENDING"):
    return QueuedElement(f"7_{index}", submitted.job_name, index, state, "Priority", "")


def test_what_was_written_is_read_again(tmp_path):
    begun = submission.begin("mine", ELEMENTS)
    path = submission.write(tmp_path, begun)
    assert path == tmp_path / "slurm" / f"{begun.job_name}.json"
    assert submission.read_all(tmp_path) == [begun]
    submission.remove(tmp_path, begun)
    assert submission.read_all(tmp_path) == []


def test_no_two_submissions_of_a_grid_share_a_name_that_begins_with_its_own():
    names = {submission.begin("my+grid", ELEMENTS).job_name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith("my_grid-") and "," not in name for name in names)


def test_a_record_that_cannot_be_read_now_is_no_empty_queue(tmp_path):
    (tmp_path / "slurm" / "mine-1.json").mkdir(parents=True)  # as good an OSError as any, also for root
    with pytest.raises(OSError, match=r"mine-1\.json"):
        submission.read_all(tmp_path)


def test_the_last_of_several_submissions_counts():
    first = submission.Submission("a-1", (("a", "b"),), "2026-01-01T00:00:00+00:00")
    second = submission.Submission("a-2", (("b",),), "2026-01-02T00:00:00+00:00")
    assert submission.last_submitted([first, second]) == {"a": first.submitted_at, "b": second.submitted_at}


def test_other_files_are_passed_over(tmp_path):
    begun = submission.begin("mine", ELEMENTS)
    path = submission.write(tmp_path, begun)
    for name, text in (("cut", path.read_text()[:20]), ("other", "[]"), ("fields", json.dumps({"job_name": "x"}))):
        path.with_name(f"{name}.json").write_text(text)
    assert submission.read_all(tmp_path) == [begun]


def test_every_training_of_an_element_that_waits_or_runs_is_found():
    begun = submission.begin("mine", ELEMENTS)
    placed = submission.place([begun], [queued(begun, 1)])
    assert {name: element.index for name, element in placed.items()} == {"c": 1}
    placed = submission.place([begun], [queued(begun, 0), queued(begun, 1)])
    assert set(placed) == {"a", "b", "c"}


def test_an_element_that_runs_goes_before_one_that_waits():
    first, second = submission.begin("mine", ELEMENTS), submission.begin("mine", ELEMENTS)
    placed = submission.place([first, second], [queued(first, 0), queued(second, 0, "RUNNING")])
    assert placed["a"].job_name == second.job_name


def test_jobs_of_other_names_and_elements_that_are_not_on_record_are_nobodys():
    begun = submission.begin("mine", ELEMENTS)
    assert submission.place([begun], [queued(begun, 2), queued(submission.begin("mine", ELEMENTS), 0)]) == {}


def test_the_logs_of_an_array_are_named_by_its_elements_and_those_of_a_plain_job_by_the_job(tmp_path):
    array = submission.Submission("mine-1", ELEMENTS, "", "12")
    assert array.logs(tmp_path) == f"{tmp_path}/slurm/mine-1/12_%a_0_log.out"
    plain = submission.Submission("mine-1", ELEMENTS[:1], "", "12")
    assert plain.logs(tmp_path) == f"{tmp_path}/slurm/mine-1/12_0_log.out"
