from pathlib import Path

import pytest

from rlhpc.errors import InputError
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.results.wrong_folder import refuse_other_folders, refuse_without_trainings

TRAINING = Training("b", "X-v0", "ppo", 1, "Discrete", 10, {"class": "PPO"})


@pytest.fixture
def root(tmp_path):
    """Return a folder of results."""
    store = Store(tmp_path / "logs" / "mine")
    store.write_grid([TRAINING])
    store.folder(TRAINING).mkdir(parents=True)
    return store.root


def test_a_folder_of_results_is_not_refused(root):
    refuse_other_folders(root)
    refuse_without_trainings(Store(root))


@pytest.mark.parametrize("given", ["trainings", "trainings/b/X-v0", "..", "../mien", "../../mine"])
def test_the_folder_that_was_meant_is_named(root, given, monkeypatch):
    monkeypatch.chdir(root.parents[1])
    beside = {"..": root.parent, "../mien": root.parent / "mien", "../../mine": root.parents[1] / "mine"}
    wrong = beside.get(given, root / given)
    wrong = wrong.relative_to(root.parents[1])
    for refuse in (refuse_other_folders, lambda folder: refuse_without_trainings(Store(folder))):
        with pytest.raises(
            InputError, match=r"the folder logs/NAME that launch_training.py wrote to. Did you mean 'logs/mine'\?$"
        ):
            refuse(wrong)


def test_of_several_folders_those_with_a_name_like_the_given_one_are_named(root):
    for name in ("a", "b", "c", "log", "miner"):
        Store(root.parent / name).write_grid([TRAINING])
    with pytest.raises(InputError, match=r"Did you mean '.*/logs/mine' or '.*/logs/miner'\?$"):
        refuse_other_folders(root.parent / "mien")
    for given in (root.parent / "xyz", root.parent):  # like none of them, or above them
        with pytest.raises(InputError, match=r"Did you mean '.*/logs/a' or '.*/logs/b' or '.*/logs/c'\?$"):
            refuse_other_folders(given)


def test_where_none_is_near_none_is_named(tmp_path):
    with pytest.raises(InputError, match=r"wrote to\.$"):
        refuse_other_folders(tmp_path)


def test_a_folder_is_not_proposed_in_its_own_place(root, monkeypatch):
    monkeypatch.chdir(root.parents[1])
    store = Store(root.parent / "new")
    store.write_grid([TRAINING])  # and no training has begun
    with pytest.raises(InputError, match=r"wrote to\.$"):
        refuse_without_trainings(Store(Path("logs/new")))


def test_of_many_the_first_are_named(tmp_path):
    for name in "edcba":
        Store(tmp_path / name).write_grid([TRAINING])
    with pytest.raises(InputError, match=r"Did you mean '[^']*/a' or '[^']*/b' or '[^']*/c'"):
        refuse_without_trainings(Store(tmp_path))


def test_the_one_of_that_very_name_is_named_alone(root, monkeypatch):
    monkeypatch.chdir(root.parents[1])
    Store(root.parents[1] / "a").write_grid([TRAINING])
    for refuse in (refuse_other_folders, lambda folder: refuse_without_trainings(Store(folder))):
        with pytest.raises(InputError, match=r"Did you mean 'logs/mine'\?$"):
            refuse(Path("mine"))


@pytest.mark.parametrize("file", ["search.json", "ranking.csv"])
def test_the_folder_of_a_search_is_called_that(root, file):
    folder = root / "search"
    folder.mkdir()
    (folder / file).touch()
    with pytest.raises(
        InputError, match=r"is no folder of results: it is that of a search\. Give .* Did you mean '.*/logs/mine'"
    ):
        refuse_other_folders(folder)
    with pytest.raises(
        InputError, match=r"holds no trainings: it is the folder of a search; give .* Did you mean '.*/logs/mine'"
    ):
        refuse_without_trainings(Store(folder))


def test_a_folder_of_results_that_holds_a_search_too_is_not_called_that(tmp_path):
    Store(tmp_path).write_grid([TRAINING])
    (tmp_path / "search.json").touch()
    refuse_other_folders(tmp_path)
    with pytest.raises(InputError, match="holds no trainings; give"):
        refuse_without_trainings(Store(tmp_path))
