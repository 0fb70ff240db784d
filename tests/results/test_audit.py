import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rlhpc.errors import InputError
from rlhpc.files import digest
from rlhpc.records import Training
from rlhpc.results.audit import Audit, Record, Strange, audit
from rlhpc.results.lease import LEASE, Leases
from rlhpc.results.missing import unfinished
from rlhpc.results.store import RESULT, Store
from rlhpc.results.unfinished import RecordState

NEVER_BEGUN = Training("bench", "dm_control/x-v0", "ppo", 9, "Continuous", 1000)


@pytest.fixture
def grid(store, put):
    """Launch six trainings, two of them on an environment with a slash in its id, and store them all."""
    results = [put(env_id, "ppo", seed, float(seed)) for env_id in ("dm_control/x-v0", "X-v0") for seed in (1, 2, 3)]
    store.write_grid(result.training for result in results)
    return [result.training for result in results]


def of(found, training):
    """Return the record of a training."""
    (record,) = [record for record in found.records if record.name == training.name]
    return record


def forget(store, training):
    """Remove the result of a training, as if it had begun and not ended."""
    (store.folder(training) / RESULT).unlink()
    return store.folder(training)


# --- every training of the grid


def test_a_grid_that_is_stored_is_in_order(store, grid):
    found = audit(store)
    records = [Record(training.name, RecordState.STORED, "", store.folder(training)) for training in grid]
    assert found == Audit(tuple(sorted(records, key=lambda record: record.name)), "", (), {}, 0, 0)
    assert found.in_order
    assert found.verdict == "In order: all 6 trainings are recorded exactly once."
    assert found.counts == {state: 6 * (state is RecordState.STORED) for state in RecordState}


def test_a_training_of_the_grid_without_a_folder_never_began(store, grid):
    store.write_grid([NEVER_BEGUN])
    found = audit(store)
    path = store.trainings / "bench" / "dm_control+x-v0" / "ppo" / "9"
    assert of(found, NEVER_BEGUN) == Record(NEVER_BEGUN.name, RecordState.NEVER_BEGUN, "it has no folder yet", path)
    assert not found.in_order
    assert found.verdict == "Not in order: 1 of 7 trainings is not recorded; launch again to train what is missing."


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def edit(path):
    path.write_text(path.read_text().replace('"score": 1.0', '"score": 9.0'))


def empty(path):
    path.write_bytes(b"")


def forge(path):
    payload = {"training": {"benchmark": "bench"}, "episode_scores": []}
    path.write_text(json.dumps({"sha256": digest(payload), "result": payload}))


def make_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(cut, "cannot be read"), (edit, "was edited"), (empty, "cannot be"), (forge, "cannot be"), (make_a_folder, "cannot be")],
)
def test_a_result_that_does_not_verify_is_damaged(store, grid, damage, reason):
    path = store.folder(grid[0]) / RESULT
    damage(path)
    found = audit(store)
    record = of(found, grid[0])
    assert (record.state, record.path) == (RecordState.DAMAGED, path.parent)
    assert record.reason.startswith(f"'{path}' {reason}")
    assert found.counts[RecordState.STORED] == 5
    assert not found.in_order
    assert found.strange == ()


def test_a_result_in_the_folder_of_another_training_is_damaged_and_its_own_is_missing(store, grid):
    first, second = grid[0], grid[1]
    (store.folder(first) / RESULT).rename(store.folder(second) / RESULT)
    found = audit(store)
    assert of(found, second).state is RecordState.DAMAGED
    assert f"holds the result of '{first.name}': it was moved" in of(found, second).reason
    assert of(found, first).state is RecordState.BEGUN
    assert found.repeated == {}  # it is recorded once, in a wrong place


def test_a_link_to_no_result_is_damage_since_none_can_be_written_in_its_place(store, grid):
    path = store.folder(grid[0]) / RESULT
    path.unlink()
    path.symlink_to("gone.json")
    record = of(audit(store), grid[0])
    assert record.state is RecordState.DAMAGED
    assert f"'{path}' cannot be read: FileNotFoundError" in record.reason
    assert "the file that it links to" in record.reason


def test_a_file_in_place_of_a_folder_is_damage(store, grid):
    folder = store.folder(grid[0])
    shutil.rmtree(folder)
    folder.write_text("")
    found = audit(store)
    assert of(found, grid[0]).state is RecordState.DAMAGED
    assert "Not a directory" in of(found, grid[0]).reason
    assert found.strange == (Strange(folder, "a file that belongs to no training"),)


def test_results_behind_links_are_stored(store, grid, tmp_path):
    folder = store.folder(grid[0])
    for moved in (folder, store.trainings):
        moved.rename(tmp_path / "disk")
        moved.symlink_to(tmp_path / "disk")
        assert audit(store).in_order
        (tmp_path / "disk").rename(tmp_path / "other_disk")
        moved.unlink()
        (tmp_path / "other_disk").rename(moved)


def test_links_within_the_folder_of_a_training_are_not_followed(store, grid):
    (store.folder(grid[0]) / "wandb").mkdir()
    (store.folder(grid[0]) / "wandb" / "latest-run").symlink_to("..")
    assert audit(store).in_order


# --- trainings without a result


def test_a_training_whose_last_attempt_failed_is_failed_with_its_reason(store, grid):
    forget(store, grid[0])
    store.write_attempts(grid[0], [{"attempt": 1, "reason": "boom"}, {"attempt": 2, "reason": "broken", "forgiven": False}])
    (store.folder(grid[0]) / "checkpoint-64").write_text("")
    assert of(audit(store), grid[0]) == Record(grid[0].name, RecordState.FAILED, "broken (2 attempts)", store.folder(grid[0]))


@pytest.mark.parametrize("entry", [{"forgiven": False}, {}])
def test_an_attempt_that_is_not_forgiven_is_a_failure_and_so_is_an_entry_that_does_not_tell(store, grid, entry):
    forget(store, grid[0])
    stopped = {"attempt": 1, "reason": "stopped on SIGTERM", "forgiven": True}
    store.write_attempts(grid[0], [stopped, {"attempt": 2, "reason": "boom", **entry}])
    record = of(audit(store), grid[0])
    assert (record.state, record.reason) == (RecordState.FAILED, "boom (1 attempt)")


def test_a_training_that_was_stopped_did_not_fail_even_if_it_had_before(store, grid):
    folder = forget(store, grid[0])
    store.write_attempts(grid[0], [{"attempt": 1, "reason": "boom"}, {"attempt": 2, "reason": "the clock", "forgiven": True}])
    record = of(audit(store), grid[0])
    assert (record.state, record.reason) == (RecordState.BEGUN, "the clock; no checkpoint is there: it will begin anew")
    (folder / "checkpoint-64").write_text("")
    record = of(audit(store), grid[0])
    assert (record.state, record.reason) == (RecordState.STOPPED, "the clock; it will continue from its checkpoint")
    assert list(unfinished(store)) == [
        (
            f"1 training began and left no result yet: {grid[0].name}. Collect again when they have ended, or launch the grid"
            " again if nothing is running."
        )
    ]


def test_attempts_that_cannot_be_read_count_as_a_failure(store, grid):
    folder = forget(store, grid[0])
    (folder / "attempts.json").write_text("[{")
    record = of(audit(store), grid[0])
    assert record.state is RecordState.FAILED
    assert "the reason cannot be read" in record.reason


def test_a_training_that_a_supervisor_holds_is_running_until_it_lets_go(store, grid):
    folder = forget(store, grid[0])
    (folder / "checkpoint-64").write_text("")
    leases = Leases()
    leases.take(store.folder(grid[0]))
    held = f"running, or left by a killed supervisor: {leases.holder}"
    found = audit(store)
    assert of(found, grid[0]) == Record(grid[0].name, RecordState.RUNNING, held, folder)
    assert f"process {os.getpid()} on host " in held
    assert found.verdict == (
        "Not in order: 1 of 6 trainings is not recorded; "
        "audit again when what is running has ended (if nothing is, launch again)."
    )
    leases.release(store.folder(grid[0]))
    assert of(audit(store), grid[0]).state is RecordState.STOPPED


def test_a_training_that_failed_and_is_tried_again_is_running_and_what_it_failed_by_is_told(store, grid):
    forget(store, grid[0])
    store.write_attempts(grid[0], [{"attempt": 1, "reason": "boom", "kind": "exception"}])
    leases = Leases()
    leases.take(store.folder(grid[0]))
    record = of(audit(store), grid[0])
    assert record.state is RecordState.RUNNING
    assert record.reason.endswith(f"{leases.holder}; before: boom")
    leases.release(store.folder(grid[0]))
    assert of(audit(store), grid[0]).state is RecordState.FAILED


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1}', "\ufffd"])
def test_a_damaged_lease_is_that_of_an_unknown_process(store, grid, text):
    (forget(store, grid[0]) / LEASE).write_text(text)
    record = of(audit(store), grid[0])
    assert record.state is RecordState.RUNNING
    assert record.reason.endswith("an unknown process (its lease is damaged)")


def test_a_lease_that_was_left_beside_a_result_means_nothing(store, grid):
    Leases().take(store.folder(grid[0]))
    assert audit(store).in_order


@pytest.mark.parametrize(
    ("names", "state", "reason"),
    [
        ([], RecordState.BEGUN, "no checkpoint is there: it will begin anew"),
        (["checkpoint-64"], RecordState.STOPPED, "it will continue from its checkpoint"),
        (["checkpoint-64.damaged-01234567"], RecordState.BEGUN, "no checkpoint is there: it will begin anew"),
        ([".checkpoint-64.0123.tmp"], RecordState.BEGUN, "no checkpoint is there: it will begin anew"),
        ([".checkpoint-64"], RecordState.BEGUN, "no checkpoint is there: it will begin anew"),
    ],
)
def test_what_a_training_without_a_result_goes_on_from_is_told(store, grid, names, state, reason):
    folder = forget(store, grid[0])
    for name in names:
        (folder / name).write_text("")
    found = audit(store)
    assert of(found, grid[0]) == Record(grid[0].name, state, reason, folder)
    assert not found.in_order
    assert found.strange == ()


def test_a_stored_training_needs_nothing_else_whatever_lies_in_its_folder(store, grid):
    store.write_attempts(grid[0], [{"attempt": 1, "reason": "boom"}])
    folder = store.folder(grid[0])
    for name in ("checkpoint-64", "output.log", "notes.txt"):
        (folder / name).write_text("")
    (folder / "wandb").mkdir()
    (folder / "wandb" / RESULT).write_text("{}")
    assert audit(store).in_order


# --- what the grid does not account for


def test_a_result_that_the_grid_does_not_name_is_strange(store, grid, put):
    extra = store.folder(put("X-v0", "a2c", 1, 1.0).training)
    found = audit(store)
    assert found.strange == (Strange(extra, "a training that grid.json does not name: stored"),)
    assert found.counts[RecordState.STORED] == 6
    assert not found.in_order
    assert found.verdict == "Not in order: 1 path not of the grid; move away what is not of the grid."


def test_a_folder_that_the_grid_does_not_name_is_strange_whatever_it_holds(store, grid, put):
    damaged = store.folder(put("X-v0", "a2c", 1, 1.0).training)
    cut(damaged / RESULT)
    begun = damaged.with_name("2")
    begun.mkdir()
    no_seed = damaged.with_name("copy of 1")
    no_seed.mkdir()
    (no_seed / "notes.txt").write_text("")
    reasons = {each.path: each.reason for each in audit(store).strange}
    assert reasons.keys() == {damaged, begun, no_seed}
    assert reasons[damaged].startswith(f"a training that grid.json does not name: damaged: '{damaged / RESULT}' cannot be read")
    assert reasons[begun] == "a training that grid.json does not name: begun: no checkpoint is there: it will begin anew"
    assert reasons[no_seed] == "a folder that is no training's"


@pytest.mark.parametrize("place", ["notes.txt", "bench/notes.txt", "bench/X-v0/notes.txt", "bench/X-v0/ppo/notes.txt"])
def test_a_file_beside_the_folders_is_strange(store, grid, place):
    path = store.trainings / place
    path.write_text("")
    assert audit(store).strange == (Strange(path, "a file that belongs to no training"),)


def test_an_empty_folder_is_strange_where_no_training_of_the_grid_will_need_it(store, grid):
    store.write_grid([replace(NEVER_BEGUN, algo="a2c")])
    (store.trainings / "bench" / "dm_control+x-v0" / "a2c").mkdir()
    (store.trainings / "bench" / "old").mkdir()
    assert audit(store).strange == (Strange(store.trainings / "bench" / "old", "an empty folder that is no training's"),)


def test_what_a_killed_writer_and_a_launch_left_is_counted_and_no_fault(store, grid):
    folder = store.folder(grid[0])
    for place in (folder, folder.parent, store.trainings, folder / "tensorboard"):
        place.mkdir(exist_ok=True)
        (place / ".result.json.0123.tmp").write_text("{")
    (folder / "result.json.damaged-01234567").write_text("{")
    (folder / "checkpoint-64.damaged-01234567").mkdir()
    (folder / "checkpoint-64.damaged-01234567" / ".x.tmp").write_text("")  # a part of what was kept
    found = audit(store)
    assert found.in_order
    assert (found.n_temporary, found.n_set_aside) == (4, 2)


def test_what_looks_like_a_leftover_and_is_none_is_told(store, grid):
    for name in ("result.tmp", ".result.json", "damaged"):
        (store.trainings / name).write_text("")
    assert [each.path.name for each in audit(store).strange] == [".result.json", "damaged", "result.tmp"]


# --- exactly once


def test_a_copy_in_the_folder_of_another_training_is_recorded_twice(store, grid):
    first, second = (store.folder(training) / RESULT for training in grid[:2])
    shutil.copy(first, second)
    found = audit(store)
    assert found.repeated == {grid[0].name: (first, second)}
    assert (of(found, grid[0]).state, of(found, grid[1]).state) == (RecordState.STORED, RecordState.DAMAGED)
    assert "1 training recorded more than once" in found.verdict


@pytest.mark.parametrize(
    ("place", "strange"),
    [
        ("bench_copy/X-v0/ppo/1", ["bench_copy/X-v0/ppo/1"]),
        ("bench/X-v0/ppo/01", ["bench/X-v0/ppo/01"]),
        ("bench/X-v0/ppo/copy", ["bench/X-v0/ppo/copy"]),
        ("bench/X-v0/ppo/2/1", [f"bench/X-v0/ppo/2/1/{RESULT}"]),
        ("copies/bench/X-v0/ppo/1", ["copies/bench/X-v0/ppo", f"copies/bench/X-v0/ppo/1/{RESULT}"]),
    ],
)
def test_a_copy_of_a_training_is_found_wherever_it_lies_below_trainings(store, grid, place, strange):
    home = store.folder(grid[3])  # bench/X-v0/ppo/1
    copy = store.trainings / place
    shutil.copytree(home, copy)
    found = audit(store)
    assert {name: set(paths) for name, paths in found.repeated.items()} == {grid[3].name: {home / RESULT, copy / RESULT}}
    assert [each.path for each in found.strange] == [store.trainings / each for each in strange]
    assert found.counts[RecordState.STORED] == 6
    assert not found.in_order


def test_a_result_above_the_folders_of_trainings_is_a_copy(store, grid):
    copy = store.trainings / "bench" / RESULT
    shutil.copy(store.folder(grid[0]) / RESULT, copy)
    found = audit(store)
    assert found.repeated == {grid[0].name: (store.folder(grid[0]) / RESULT, copy)}
    assert found.strange == (Strange(copy, "a file that belongs to no training"),)


def test_a_link_from_one_training_to_another_is_a_copy(store, grid):
    linked = store.folder(grid[3]).with_name("4")
    linked.symlink_to(store.folder(grid[3]))
    assert audit(store).repeated == {grid[3].name: (store.folder(grid[3]) / RESULT, linked / RESULT)}


# --- grid.json


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "is missing"),
        ("[", "cannot be read: JSONDecodeError"),
        ('"names"', "holds no list of trainings"),
        ("[]", "holds no list of trainings"),
        ("[1]", "it holds 1, which is no training's name"),
        ('["bench/X-v0/ppo/1", "bench/X-v0/ppo/1"]', "it holds 'bench/X-v0/ppo/1' more than once"),
        *[
            (json.dumps([name]), f"it holds {name!r}, which is no training's name")
            for name in (
                *("ppo/1", "bench/X-v0/ppo/one", "bench/X-v0/ppo/01", "bench//ppo/1", "/X-v0/ppo/1", "bench/X-v0//1"),
                *("../X-v0/ppo/1", "bench/../ppo/1", "bench/X-v0/./1", "bench/a+b/ppo/1", "bench/X\0/ppo/1", "bench/X\ud800/p/1"),
            )
        ],
    ],
)
def test_without_a_sound_grid_nothing_is_proven_and_what_has_a_folder_is_told(store, grid, text, reason):
    store.grid.unlink()
    if text is not None:
        store.grid.write_text(text)
    forget(store, grid[0])
    found = audit(store)
    assert found.grid_fault.startswith(f"'{store.grid}' ")
    assert reason in found.grid_fault
    assert "launch again with the same configuration, which writes it anew" in found.grid_fault
    assert (found.counts[RecordState.STORED], found.counts[RecordState.BEGUN]) == (5, 1)
    assert found.strange == ()
    assert not found.in_order
    assert found.verdict == (
        "Not in order: without a sound grid.json nothing is known of trainings that never began, 1 of 6 trainings is not "
        "recorded; launch again with the same configuration, which writes grid.json anew."
    )


def test_without_a_grid_even_a_folder_in_which_all_is_stored_is_not_in_order(store, grid):
    store.grid.unlink()
    found = audit(store)
    assert found.counts[RecordState.STORED] == len(found.records) == 6
    assert not found.in_order


def test_a_grid_whose_trainings_are_gone_is_not_in_order(store, grid):
    shutil.rmtree(store.trainings)
    found = audit(store)
    assert found.counts[RecordState.NEVER_BEGUN] == 6
    assert found.strange == ()


# --- what is no folder of results


@pytest.mark.parametrize("kind", ["absent", "a file", "empty", "trainings"])
def test_what_is_no_folder_of_results_is_refused(store, grid, tmp_path, kind):
    root = store.trainings if kind == "trainings" else tmp_path / kind
    if kind == "a file":
        root.write_text("")
    if kind == "empty":
        root.mkdir()
    expected = "cannot read the folder" if kind in ("absent", "a file") else "neither trainings/ nor grid.json"
    with pytest.raises(InputError, match=f"{expected}.* Give the folder logs/NAME") as refused:
        audit(Store(root))
    assert f"'{root}'" in str(refused.value)


# --- permissions, as root as well


def audited_without_privileges(store):
    """Audit in a process that may read and write only what the permissions allow; return what it found as text."""
    program = "import sys, pathlib; from rlhpc.results.audit import audit; from rlhpc.results.store import Store\n"
    program += "found = audit(Store(pathlib.Path(sys.argv[1])))\n"
    program += "for each in (*found.records, *found.strange): print(getattr(each, 'state', 'strange'), each.path, each.reason)\n"
    program += "print(found.grid_fault or 'grid.json is sound')"
    drop = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 and shutil.which("setpriv") else ()
    secret = store.root / "secret"
    secret.touch(mode=0)
    if subprocess.run([*drop, "cat", str(secret)], capture_output=True, check=False).returncode == 0:
        pytest.skip("absent: a user whom permissions bind, or the right to become one")
    command = [*drop, sys.executable, "-c", program, str(store.root)]
    return subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture
def forbid():
    """Take all permissions of a path, until the test has ended."""
    forbidden = []

    def take(path):
        forbidden.append((path, path.stat().st_mode))
        path.chmod(0)

    yield take
    for path, mode in forbidden:
        path.chmod(mode)


def test_a_folder_that_cannot_be_read_is_never_taken_for_one_that_never_began(store, grid, forbid):
    folder = store.folder(grid[0])
    forbid(folder.parent)
    told = audited_without_privileges(store)
    assert sum(line.startswith("damaged ") and "Permission denied" in line for line in told) == 3
    assert sum(line.startswith("stored ") for line in told) == 3
    (strange,) = [line for line in told if line.startswith("strange ")]
    assert strange.startswith(f"strange {folder.parent} the folder '{folder.parent}' cannot be read: Permission denied.")


def test_a_result_that_cannot_be_read_is_damaged(store, grid, forbid):
    forbid(store.folder(grid[0]) / RESULT)
    (damaged,) = [line for line in audited_without_privileges(store) if line.startswith("damaged ")]
    assert "cannot be read: PermissionError" in damaged


def test_a_lease_that_cannot_be_read_is_a_lease(store, grid, forbid):
    lease = forget(store, grid[0]) / LEASE
    lease.touch()
    forbid(lease)
    (running,) = [line for line in audited_without_privileges(store) if line.startswith("running ")]
    assert "an unknown process" in running


def test_a_grid_that_cannot_be_read_is_a_fault(store, grid, forbid):
    forbid(store.grid)
    assert "cannot be read: PermissionError" in audited_without_privileges(store)[-1]


# --- the same words elsewhere


def test_a_plus_in_the_name_of_an_algorithm_is_no_slash(store, put):
    training = put("dm_control/x-v0", "ppo+mine", 1, 1.0).training
    store.write_grid([training])
    assert audit(store).in_order
    assert list(unfinished(store)) == []
