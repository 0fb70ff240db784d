import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.errors import AlreadyStoredError, DamagedResultError
from rlhpc.files import digest
from rlhpc.records import Training
from rlhpc.results.store import RESULT, Store, read_result

DMC = "dm_control/cheetah-run-v0"


def path_of(store, result):
    return store.folder(result.training) / RESULT


def edited(path, change):
    """Change the result in a file, leaving its checksum as it is."""
    stored = json.loads(path.read_text())
    change(stored["result"])
    path.write_text(json.dumps(stored))


def test_a_result_is_read_back_equal_to_the_last_bit(store, put):
    result = put("X-v0", "ppo", 1, 0.1, 0.2, 1e-300, converged=True, wandb={"mode": "disabled"}, device={"threads": 1})
    assert store.read(result.training) == result
    assert store.has(result.training)
    assert list(store.iterate()) == [result]


def test_a_result_lies_where_the_contract_says(store, put):
    path = path_of(store, put(DMC, "ppo", 111, 1.0, benchmark="dmc1m"))
    assert path == store.root / "trainings" / "dmc1m" / "dm_control+cheetah-run-v0" / "ppo" / "111" / "result.json"
    assert path.exists()


def test_the_folders_of_trainings_are_found_in_order_and_name_them(store, put):
    results = [put(env_id, "ppo", seed, 1.0) for env_id in ("X-v0", DMC) for seed in (2, 1)]
    moved = store.folder(results[0].training)
    moved.rename(store.root / "on another disk")
    moved.symlink_to(store.root / "on another disk")
    (moved.parent / "notes.txt").touch()
    assert store.folders() == sorted(store.folder(result.training) for result in results)
    assert {store.name_of(folder) for folder in store.folders()} == {result.training.name for result in results}
    assert Store(store.root / "elsewhere").folders() == []


def test_a_link_to_a_result_that_leads_nowhere_is_told(store, put):
    path = path_of(store, put("X-v0", "ppo", 1, 1.0))
    path.unlink()
    path.symlink_to("nowhere")
    (error,) = store.iterate()
    assert f"'{path}' cannot be read" in str(error)


def test_scores_are_collected_beside_the_trainings():
    assert Store(Path("logs/demo")).scores == Path("logs/demo/scores.csv")


def test_what_is_not_stored_is_none(store):
    training = Training("bench", "X-v0", "ppo", 1, "Discrete", 1000)
    assert store.read(training) is None
    assert not store.has(training)
    assert list(store.iterate()) == []
    assert not store.root.exists()


def test_the_first_result_counts_and_is_left_as_it_is(store, put):
    first = put("X-v0", "ppo", 1, 1.0)
    before = path_of(store, first).read_bytes()
    with pytest.raises(AlreadyStoredError, match=f"'{path_of(store, first)}' exists"):
        put("X-v0", "ppo", 1, 2.0)
    assert path_of(store, first).read_bytes() == before
    assert [path.name for path in path_of(store, first).parent.iterdir()] == [RESULT]


def test_a_score_that_is_no_number_is_refused_and_nothing_is_left(store, put):
    with pytest.raises(ValueError, match="not JSON compliant"):
        put("X-v0", "ppo", 1, float("nan"))
    assert list(store.root.rglob("*")) == []


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def empty(path):
    path.write_bytes(b"")


def make_binary(path):
    path.write_bytes(b"\xff\xfe\x00")


def make_a_list(path):
    path.write_text("[1, 2]")


def improve(path):
    edited(path, lambda result: result.update(score=99.0))


def improve_an_episode(path):
    edited(path, lambda result: result["episode_scores"].__setitem__(0, 99.0))


def make_score_nan(path):
    path.write_text(path.read_text().replace('"score": 1.0', '"score": NaN'))


def forge_fields(path):
    """Write something with a good checksum that is no result."""
    payload = {"training": {"benchmark": "bench"}, "episode_scores": []}
    path.write_text(json.dumps({"sha256": digest(payload), "result": payload}))


def make_a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = [truncate, empty, make_binary, make_a_list, improve, improve_an_episode, make_score_nan, forge_fields, make_a_folder]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_reported_and_never_returned(store, put, damage):
    result, good = put("X-v0", "ppo", 1, 1.0), put("X-v0", "ppo", 2, 1.0)
    path = path_of(store, result)
    damage(path)
    with pytest.raises(DamagedResultError) as caught:
        store.read(result.training)
    assert f"'{path}'" in str(caught.value)
    assert "Launch the grid again" in str(caught.value)
    assert not store.has(result.training)
    reported, read = store.iterate()
    assert str(reported) == str(caught.value)
    assert read == good


def test_an_edited_byte_is_noticed_or_means_nothing(store, put):
    result = put("X-v0", "ppo", 1, 1.0)
    path = path_of(store, result)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert store.read(result.training) == result
        except DamagedResultError:
            continue
    path.write_bytes(whole)
    assert store.read(result.training) == result


def test_a_result_of_another_training_is_reported_wherever_it_is_found(store, put):
    result, other = put("X-v0", "ppo", 1, 1.0), replace(put("X-v0", "ppo", 2, 2.0).training, seed=3)
    copied = store.folder(other) / RESULT
    copied.parent.mkdir()
    copied.write_bytes(path_of(store, result).read_bytes())
    with pytest.raises(DamagedResultError, match="holds the result of 'bench/X-v0/ppo/1': it was moved"):
        store.read(other)
    assert [str(each) for each in store.iterate() if isinstance(each, DamagedResultError)] == [
        f"'{copied}' holds the result of 'bench/X-v0/ppo/1': it was moved. Put it back, or delete it."
    ]


def test_read_result_needs_no_store(store, put, tmp_path):
    result = put("X-v0", "ppo", 1, 1.0)
    copied = tmp_path / "anywhere.json"
    copied.write_bytes(path_of(store, result).read_bytes())
    assert read_result(copied) == result


def test_results_are_iterated_in_the_order_of_paths(store, put):
    for algo, seed in (("ppo", 10), ("ppo", 9), ("a2c", 2), ("a2c", 1)):
        put("X-v0", algo, seed, 1.0)
    order = [(result.training.algo, result.training.seed) for result in store.iterate()]
    assert order == [("a2c", 1), ("a2c", 2), ("ppo", 10), ("ppo", 9)]


def test_other_files_of_a_training_are_no_results(store, put):
    folder = store.folder(put("X-v0", "ppo", 1, 1.0).training)
    (folder / "wandb").mkdir()
    (folder / "wandb" / RESULT).write_text("{")
    (folder / f".{RESULT}.0123.tmp").write_text("{")
    assert len(list(store.iterate())) == 1


# What a Gymnasium id is made of: an optional module and namespace, a name, an optional version.
WORDS = st.text("abAB01_.-", min_size=1, max_size=4).filter(lambda text: text.strip("."))
ENV_IDS = st.builds("".join, st.tuples(st.just("") | WORDS.map("{}:".format), st.just("") | WORDS.map("{}/".format), WORDS))


@given(st.lists(ENV_IDS, min_size=2, max_size=2, unique=True))
def test_no_two_environments_share_a_folder(env_ids):
    store = Store(Path("logs"))
    folders = [store.folder(Training("b", env_id, "ppo", 1, "Discrete", 1)) for env_id in env_ids]
    assert folders[0] != folders[1]
    assert all(len(folder.relative_to(store.trainings).parts) == 4 for folder in folders)


def test_a_damaged_result_is_set_aside_and_the_training_stored_anew(store, put):
    path = path_of(store, put("X-v0", "ppo", 1, 1.0))
    improve(path)
    damaged = path.read_bytes()
    aside = store.set_aside(Training("bench", "X-v0", "ppo", 1, "Discrete", 1000))
    assert aside.read_bytes() == damaged
    assert aside.name.startswith("result.json.damaged-")
    again = put("X-v0", "ppo", 1, 3.0)
    assert list(store.iterate()) == [again]
    assert aside.read_bytes() == damaged


def test_a_result_that_verifies_by_now_is_not_set_aside(store, put):
    result = put("X-v0", "ppo", 1, 1.0)
    assert store.set_aside(result.training) is None
    assert list(store.iterate()) == [result]


def test_a_result_that_only_cannot_be_read_at_present_is_not_set_aside(store, put, monkeypatch):
    result = put("X-v0", "ppo", 1, 1.0)

    def stale(path):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(Path, "read_text", stale)
    with pytest.raises(DamagedResultError, match="Stale"):
        store.set_aside(result.training)
    monkeypatch.undo()
    assert list(store.iterate()) == [result]


@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_a_damaged_result_that_another_launch_sets_aside_just_now_is_left_to_it(store, put, monkeypatch, when):
    training = put("X-v0", "ppo", 1, 1.0).training
    path = store.folder(training) / RESULT
    path.write_text("{")
    (read, read_text), moved = (Store.read, Path.read_text), []

    def move():
        moved.append(path.rename(path.with_name("result.json.damaged-0")))

    def read_late(self, wanted):
        try:
            return read(self, wanted)
        finally:
            move()

    def lose(self):
        move()
        return read_text(self)

    if when == "before":
        move()
    elif when == "while":
        monkeypatch.setattr(Path, "read_text", lose)
    else:
        monkeypatch.setattr(Store, "read", read_late)
    assert store.set_aside(training) is None
    monkeypatch.undo()
    assert moved[0].read_text() == "{"


def test_two_different_damaged_results_of_a_training_are_both_kept(store, put):
    training = put("X-v0", "ppo", 1, 1.0).training
    kept = set()
    for text in ("{", "{{"):
        (store.folder(training) / RESULT).write_text(text)
        kept.add(store.set_aside(training))
    assert sorted(path.read_text() for path in kept) == ["{", "{{"]


def test_attempts_are_kept_oldest_first_and_replaced_as_a_whole(store):
    training = Training("bench", "X-v0", "ppo", 1, "Discrete", 1000)
    assert store.read_attempts(training) == []
    store.write_attempts(training, [{"attempt": 1, "reason": "a"}])
    path = store.write_attempts(training, [*store.read_attempts(training), {"attempt": 2, "reason": "b"}])
    assert [each["reason"] for each in store.read_attempts(training)] == ["a", "b"]
    assert path == store.folder(training) / "attempts.json"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "1",
        "null",
        '{"attempt": 3, "reason": "a"}',
        '["attempt"]',
        '[{"attempt": 3}]',
        '[{"attempt": 3, "reason": null}]',
        '[{"attempt": null, "reason": "a"}]',
        '[{"attempt": "two", "reason": "a"}]',
        '[{"attempt": true, "reason": "a"}]',
        '[{"attempt": 3, "reason": "a"}, {"attempt": 4.5, "reason": "b"}]',
    ],
)
def test_attempts_that_were_edited_into_something_else_count_as_one_and_are_replaced_by_the_next(store, text):
    training = Training("bench", "X-v0", "ppo", 1, "Discrete", 1000)
    path = store.write_attempts(training, [])
    path.write_text(text)
    (attempt,) = store.read_attempts(training)
    assert (attempt["attempt"], attempt["reason"]) == (1, f"the reason cannot be read from '{path}'")
    assert store.last_attempt(training) == 1
    store.write_attempts(training, [attempt, {"attempt": 2, "reason": "b"}])
    assert store.last_attempt(training) == 2
    assert not store.has(training)
