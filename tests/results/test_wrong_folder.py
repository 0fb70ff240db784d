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


@pytest.mark.parametrize("given", ["trainings", "trainings/b/X-v0", "..", "../mien"])
def test_the_folder_that_was_meant_is_named(root, given, monkeypatch):
    monkeypatch.chdir(root.parents[1])
    wrong = {"..": root.parent, "../mien": root.parent / "mien"}.get(given, root / given)
    wrong = wrong.relative_to(root.parents[1])
    for refuse in (refuse_other_folders, lambda folder: refuse_without_trainings(Store(folder))):
        with pytest.raises(
            InputError, match=r"the folder logs/NAME that launch_training.py wrote to. Did you mean 'logs/mine'\?$"
        ):
            refuse(wrong)


def test_where_none_is_near_none_is_named(tmp_path):
    with pytest.raises(InputError, match=r"wrote to\.$"):
        refuse_other_folders(tmp_path)


def test_of_many_the_first_are_named(tmp_path):
    for name in "edcba":
        Store(tmp_path / name).write_grid([TRAINING])
    with pytest.raises(InputError, match=r"Did you mean '[^']*/a' or '[^']*/b' or '[^']*/c'"):
        refuse_without_trainings(Store(tmp_path))
