"""Who else can write to a folder of results is told."""

import grp
import os
import shlex

import pytest

from rlhpc.results.writers import warning


@pytest.fixture
def trainings(tmp_path):
    folder = tmp_path / "logs" / "mine" / "trainings"
    folder.mkdir(parents=True)
    for each in (folder, folder.parent, folder.parent.parent):
        each.chmod(0o755)
    return folder


def test_a_folder_that_is_ours_alone_is_not_worth_a_word(trainings):
    assert warning(trainings) == ""


@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_folder_that_everybody_can_write_or_rename_is_told_with_the_remedy(trainings, above):
    folder = (trainings, *trainings.parents)[above]
    folder.chmod(0o777)
    told = warning(trainings)
    assert told.startswith(f"{folder} can be written by everybody")
    assert told.endswith(f"chmod go-w {folder}")


def test_above_the_results_a_folder_as_tmp_is_lets_nobody_rename_what_is_ours(trainings):
    trainings.parents[1].chmod(0o1777)
    assert warning(trainings) == ""


def test_in_a_folder_as_tmp_is_itself_everybody_can_put_a_checkpoint(trainings):
    trainings.chmod(0o1777)
    assert "by everybody" in warning(trainings)


def test_another_group_is_named_and_one_of_our_own_name_is_ours(trainings):
    if os.geteuid() != 0:
        pytest.skip("absent: the right to give files away")
    other = next(group for group in grp.getgrall() if group.gr_gid != 0)
    trainings.chmod(0o775)
    assert warning(trainings) == ""
    os.chown(trainings, 0, other.gr_gid)
    assert f"by group {other.gr_name}," in warning(trainings)


def test_another_owner_is_named(trainings):
    if os.geteuid() != 0:
        pytest.skip("absent: the right to give files away")
    os.chown(trainings, 12345, 12345)
    told = warning(trainings)
    assert "by user 12345," in told
    assert told.endswith("give another logs_dir.")  # its owner can always give himself the right back


def test_a_folder_with_a_quote_in_its_name_makes_a_command_that_can_be_pasted(tmp_path):
    folder = tmp_path / "it's"
    folder.mkdir(mode=0o755)
    folder.chmod(0o777)
    assert shlex.split(warning(folder).rpartition(": ")[2])[-1] == str(folder)
