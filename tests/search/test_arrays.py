import hashlib

import numpy as np
import pytest

from rlhpc.errors import IncompleteSearchError
from rlhpc.search.arrays import reading, write_arrays

ARRAYS = {"head": np.array('{"a": 1}'), "floats": np.array([[0.5, np.nan], [-0.0, 1e300]]), "empty": np.empty(0, dtype=np.int64)}
SHA256 = "db45f6187da9cbdf70f78c75e65cecbafba538fa3cece4a28bebc189bed091e6"  # whichever release of Python writes them


def test_arrays_are_read_as_they_were_written(tmp_path):
    with reading(write_arrays(tmp_path / "a.npz", ARRAYS), "it", "Mend it.") as (head, arrays):
        assert head == {"a": 1}
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(arrays[name], array)
            assert arrays[name].dtype == array.dtype


def test_the_bytes_are_those_of_every_release_of_python(tmp_path):
    data = write_arrays(tmp_path / "a.npz", ARRAYS).read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256


def test_objects_that_only_a_pickle_could_hold_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        write_arrays(tmp_path / "a.npz", {"object": np.array([object()])})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_is_named_with_what_to_do(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK")
    with (
        pytest.raises(IncompleteSearchError, match=r"^it cannot be read \(.*\)\. Mend it\.$"),
        reading(tmp_path / "a.npz", "it", "Mend it."),
    ):
        pass
