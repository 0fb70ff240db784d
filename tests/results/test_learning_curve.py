import numpy as np
import pytest

from rlhpc.errors import DatasetError
from rlhpc.results.learning_curve import read_learning_curve
from rlhpc.training.curves import Curves

HEADER = "timesteps,episode_score,episode_length"


@pytest.fixture
def write(tmp_path):
    """Write a file of some bytes."""

    def write(text):
        path = tmp_path / "learning_curve.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_what_a_training_writes_is_read_back_to_the_last_digit(tmp_path):
    curves = Curves([(7, 0.1 + 0.2, 7), (20_000_000, -1e-300, 3)])
    curves.write(tmp_path)
    curve = read_learning_curve(tmp_path / "learning_curve.csv")
    assert curve.tolist() == [[steps, score] for steps, score, _ in curves.episodes]


def test_columns_are_found_by_their_names(write):
    assert read_learning_curve(write("\ufeffepisode_score, timesteps\n1.5,10\n\n2.5,20\n")).tolist() == [[10, 1.5], [20, 2.5]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", ["", "\n", "\n \n"])
def test_a_curve_of_no_episode_is_empty(write, rows):
    curve = read_learning_curve(write(HEADER + rows))
    assert (curve.shape, curve.dtype) == ((0, 2), np.float64)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks the columns timesteps, episode_score; its header is ''"),
        ("steps,score\n1,2\n", "lacks the columns timesteps, episode_score; its header is 'steps,score'"),
        ("1,2,3\n", "lacks the columns"),
        (f"{HEADER}\n1,2,3\n4,,6\n", "is damaged: could not convert string '' to float64 at row 1, column 2."),
        (f"{HEADER}\n1,high,3\n", "is damaged: could not convert string 'high'"),
        (f"{HEADER}\n1,2,3\n4\n", "is damaged: invalid column index"),
        (f"{HEADER}\n#1,2,3\n", "is damaged: could not convert string '#1'"),
        (f"{HEADER}\n1,2,3\n4,nan,6\n", "is damaged: episode_score of episode 2 is nan, which is no finite number."),
        (f"{HEADER}\ninf,2,3\n", "is damaged: timesteps of episode 1 is inf"),
        (b"\xff\xfe\n", "is damaged: 'utf-8' codec can't decode"),
    ],
)
def test_what_is_no_learning_curve_is_refused_by_name(write, text, said):
    path = write(text)
    with pytest.raises(DatasetError) as caught:
        read_learning_curve(path)
    assert str(caught.value).startswith(f"the learning curve '{path}' ")
    assert said in str(caught.value)


def test_one_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"cannot read the learning curve '.*/x.csv': No such file or directory\.$"):
        read_learning_curve(tmp_path / "x.csv")
