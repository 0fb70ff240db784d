"""The part of a search that a command line asks for, and what all parts have in common."""

import argparse

import pytest

from rlhpc.report.search_part import WHOLE, add_flags, common_words, part_faults, shard_of


def faults(*words):
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return list(part_faults(parser.parse_args(words)))


def test_a_shard_is_its_index_and_their_number():
    assert shard_of("5/16") == (5, 16)
    assert shard_of(None) == WHOLE
    for wrong in ("16/16", "0/0", "1of4", "-1/4", "1/4/2", ""):
        with pytest.raises(ValueError, match=f"^{wrong}$"):
            shard_of(wrong)


def test_common_words_are_all_others_in_their_order():
    words = ("--subset-size", "3", "a table.csv", "--fold-seed", "-1", "--benchmarks", "x", "y", "--json", "--out=a b")
    dividing = (["--submit"], ["--n-shards", "16"], ["--at-once=2"], ["--like-job", "7"], ["--container=x.sif"])
    mixed = [*dividing[0], *words[:2], *dividing[1], *words[2:5], *dividing[2], *words[5:], *dividing[3]]
    assert common_words(mixed) == words
    assert common_words(["--shard", "0/3", "t.csv", "--merge"][:3]) == ("t.csv",)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--shard", "0/1"],
        ["--merge", "--n-shards", "4000001"],
        ["--dry-run", "--n-shards", "1"],
        ["--submit", "--dry-run"],
        ["--submit", "--n-shards", "3", "--at-once", "1", "--like-job", "7", "--container", "x.sif"],
    ],
)
def test_flags_that_fit_have_no_faults(words):
    assert faults(*words) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--submit", "--shard", "0/4"], ["--shard is what --submit gives its jobs itself"]),
        (["--submit", "--merge"], ["--merge is what --submit gives its jobs itself"]),
        (["--submit", "--n-shards", "0", "--at-once", "0"], ["--n-shards 0 is out of range", "--at-once 0 is out of range"]),
        (["--at-once", "2", "--like-job", "7"], ["--at-once goes with --submit", "--like-job goes with --submit"]),
        (["--container", "x.sif"], ["--container goes with --submit"]),
        (["--submit", "--container", ""], ["--container is empty"]),
        (["--shard", "4/4", "--n-shards", "4"], ["--shard 4/4 is not I/N", "--n-shards goes with"]),
    ],
)
def test_all_faults_are_told_at_once(words, told):
    found = faults(*words)
    assert [text in fault for text, fault in zip(told, found, strict=True)] == [True] * len(told)
