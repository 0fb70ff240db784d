"""The file of a predictor: to the bit, and refused where it is not what was written."""

import json
from dataclasses import replace

import pytest

from rlhpc import __version__
from rlhpc.errors import InputError
from rlhpc.files import digest
from rlhpc.search import Settings
from rlhpc.search.predictor_file import CHECKSUM, FORMAT_VERSION, read_predictor, write_predictor
from rlhpc.search.predictor_fit import make_predictor
from rlhpc.search.trust import BEST, hold_out_each


@pytest.fixture(scope="module")
def predictor(make_problem):
    problem, settings = make_problem(n_algos=9, n_envs=6, missing=0.03), Settings(2, fit_intercept=True)
    return make_predictor(problem, settings, (1, 4), hold_out_each(problem, settings)[BEST, 2], budgets={"Env 1": 100}, n_seeds=3)


@pytest.fixture
def path(predictor, tmp_path):
    return write_predictor(predictor, tmp_path / "subset.json")


def test_what_is_read_is_what_was_written_to_the_bit(predictor, path):
    assert read_predictor(path) == predictor
    unknown = replace(predictor, n_seeds=None, extensions=replace(predictor.extensions, best=(), mse=None, extended_mse=None))
    assert read_predictor(write_predictor(unknown, path)) == unknown


def test_writing_twice_gives_the_same_bytes(predictor, path, tmp_path):
    assert write_predictor(read_predictor(path), tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_the_checksum_is_of_everything_else(path):
    stored = json.loads(path.read_text())
    assert stored.pop(CHECKSUM) == digest(stored)
    assert (stored["format"], stored["format_version"], stored["version"]) == ("rlhpc predictor", FORMAT_VERSION, __version__)


def rewritten(path, **changes):
    """Change a file and give it the checksum of what it holds."""
    stored = {**json.loads(path.read_text()), **changes}
    del stored[CHECKSUM]
    path.write_text(json.dumps({**stored, CHECKSUM: digest(stored)}))
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        read_predictor(path)
    assert f"python jobs/subset_report.py {path.parent}" in str(caught.value) or "Install the newer rlhpc" in str(caught.value)
    return str(caught.value)


def test_a_changed_digit_is_refused(path):
    text = path.read_text()
    place = text.index('"cv_mse": 0.') + len('"cv_mse": 0.') + 3
    path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    assert "its checksum does not match" in refused(path)


def test_a_newer_format_is_refused_by_its_version_and_an_older_one_by_what_it_lacks(path):
    newer = refused(rewritten(path, format_version=FORMAT_VERSION + 1, version="99.0"))
    assert "is of rlhpc 99.0, whose format 2 this rlhpc" in newer
    stored = json.loads(rewritten(path, format_version=FORMAT_VERSION).read_text())
    assert "TypeError" in refused(rewritten(path, envs=[{**env, "new": 1} for env in stored["envs"]]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "is no predictor, but another JSON file"),
        ("[1, 2]", "is no predictor, but another JSON file"),
        ('{"format": "rlhpc predictor"', "is no predictor, or was cut"),
        ('{"format": "rlhpc predictor", "n_seeds": NaN}', "is no predictor, or was cut"),
        ('{"format": "rlhpc predictor", "n_seeds": 1}', "its checksum does not match"),
    ],
)
def test_other_files_are_refused(tmp_path, text, told):
    (tmp_path / "subset.json").write_text(text)
    assert told in refused(tmp_path / "subset.json")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    assert "No such file" in refused(tmp_path / "subset.json")
    (tmp_path / "subset.json").write_bytes(b"\xff\xfe\x00")
    assert "is no predictor, or was cut" in refused(tmp_path / "subset.json")
