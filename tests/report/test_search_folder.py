"""Reading back a search: what it wrote, and every way in which its folder can be wrong."""

import json
import re

import pytest

from rlhpc.errors import InputError
from rlhpc.files import digest
from rlhpc.report.search_folder import SearchFolder, read_search


def test_search_is_read_as_it_was_written(search):
    found = read_search(search)
    head = json.loads(search.search.read_text())
    assert [list(row.subset) for row in found.ranking[:1]] == [head["sizes"][0]["best"]["subset"]]
    assert found.ranking[0].cv_mse == head["sizes"][0]["best"]["cv_mse"]
    assert len(found.ranking) == 10
    assert [len(size["nested"].subset) for size in found.sizes] == [2, 1]
    assert tuple(found.problem.env_ids[column] for column in found.subset) == found.ranking[0].subset
    assert found.settings.subset_size == 2


def test_folder_that_is_missing_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(InputError, match=r"there is no such folder.*python jobs/subset_search\.py .* --out '.*no such'"):
        read_search(SearchFolder(tmp_path / "no such"))


def test_folder_without_a_search_is_named_with_the_command(tmp_path):
    with pytest.raises(InputError, match=r"has no search\.json.*Search first: python jobs/subset_search\.py"):
        read_search(SearchFolder(tmp_path))


def test_shards_that_are_not_merged_are_told_apart(tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "0000-of-0002.npz").touch()
    with pytest.raises(InputError, match=r"not merged yet.*--merge"):
        read_search(SearchFolder(tmp_path))


@pytest.mark.parametrize("text", ["", '{"version": ', "[1, 2]", "[]", "{}", "null", '{"n_envs": NaN}', "\ufffd"])
def test_damaged_head_is_an_error_that_says_so(search, text):
    search.search.write_text(text)
    with pytest.raises(InputError, match=r"is damaged .*Search again: python jobs/subset_search\.py"):
        read_search(search)


def test_head_that_is_no_text_is_damaged(search):
    search.search.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is damaged"):
        read_search(search)


def edited(search, change):
    head = json.loads(search.search.read_text())
    change(head)
    search.search.write_text(json.dumps(head))
    return head


EDITS = {
    "a key less": lambda head: head.pop("rules"),
    "a key more": lambda head: head.update(note="mine"),
    "no checksum": lambda head: head.pop("sha256"),
    "a checksum of something else": lambda head: head.update(sha256=digest(head)),
    "text for a number": lambda head: head.update(subset_size="three"),
    "a number out of range": lambda head: head.update(subset_size=-1),
    "a number for a list": lambda head: head.update(sizes=3),
    "nothing for a mapping": lambda head: head.update(files=None),
    "no mappings in a list": lambda head: head.update(envs=[1, 2]),
    "an empty mapping in a list": lambda head: head.update(sizes=[{"best": {}}]),
    "another number deep inside": lambda head: head["sizes"][1]["nested"].update(cv_mse=0.5),
    "another rule": lambda head: head["rules"].update(ties="random"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_was_edited_in_the_head_is_one_clear_error(search, edit):
    edited(search, EDITS[edit])
    with pytest.raises(InputError, match=r"is damaged \(search\.json was edited or cut"):
        read_search(search)


def test_spaces_and_the_order_of_keys_do_not_count(search):
    head = json.loads(search.search.read_text())
    search.search.write_text(json.dumps(dict(reversed(head.items()))))
    assert read_search(search).head == {key: value for key, value in head.items() if key != "sha256"}


@pytest.mark.parametrize("key", ["sizes", "files", "benchmarks"])
def test_a_head_of_another_form_is_an_error_even_if_its_checksum_is_right(search, key):
    """What a later version may write."""

    def change(head):
        del head[key], head["sha256"]
        head["sha256"] = digest(head)

    edited(search, change)
    with pytest.raises(InputError, match=f"is damaged .KeyError: '{key}'"):
        read_search(search)


OTHER_VERSIONS = {
    "0.0.9, which had no ridge, beam; this is ": {"without": ("ridge", "beam"), "with": {}},
    "0.0.9 (number to keep 1000000000 is too large": {"without": (), "with": {"keep": 10**9}},
}


@pytest.mark.parametrize("told", OTHER_VERSIONS)
def test_a_search_of_a_version_that_knew_fewer_rules_or_allowed_more_is_told_as_such(search, told):
    def change(head):
        for key in (*OTHER_VERSIONS[told]["without"], "sha256"):
            del head[key]
        head |= {"version": "0.0.9", **OTHER_VERSIONS[told]["with"]}
        head["sha256"] = digest(head)

    edited(search, change)
    with pytest.raises(InputError, match=f"is of rlhpc {re.escape(told)}.*Search again: python jobs"):
        read_search(search)


def test_files_of_another_search_are_all_named(search):
    search.ranking.write_text(search.ranking.read_text().replace("0.", "1.", 1))
    search.problem.unlink()
    with pytest.raises(InputError) as caught:
        read_search(search)
    said = "\n".join(caught.value.faults)
    assert "problem.npz' is missing" in said
    assert "ranking.csv' is not the file that search.json describes" in said
