"""How long a search takes, in words, and the refusal of one that takes too long."""

import pytest

from rlhpc.errors import InputError
from rlhpc.report import search_time
from rlhpc.report.search_time import check_time
from rlhpc.search import Settings


def test_a_search_that_takes_longer_than_it_may_is_refused_with_what_to_do(found, monkeypatch):
    monkeypatch.setattr(search_time, "estimate_seconds", lambda *_: 720_000.0)
    with pytest.raises(InputError) as caught:
        check_time(found.problem, Settings(2), (0, 1), 2, 24)
    text = str(caught.value)
    assert "this search would take about 4.2 days on 2 threads of this machine: there are 15 subsets of 2 and fewer" in text
    assert all(words in text for words in ("--submit --n-shards 200.", "--beam 100.", "--max-hours 100."))
    assert check_time(found.problem, Settings(2), (0, 1), 2, 100) == 360_000.0


def test_a_shard_that_takes_too_long_is_named(found, monkeypatch):
    monkeypatch.setattr(search_time, "estimate_seconds", lambda *_: 100_000.0)
    with pytest.raises(InputError, match=r"shard 3 of 16 would take about 28 hours on 1 thread of .* --n-shards 445\."):
        check_time(found.problem, Settings(2), (3, 16), 1, 24)


def test_a_beam_that_takes_too_long_is_to_be_narrower(found, monkeypatch):
    monkeypatch.setattr(search_time, "estimate_seconds", lambda *_: 720_000.0)
    with pytest.raises(InputError) as caught:
        check_time(found.problem, Settings(2, beam=7), (0, 1), 1, 24)
    text = str(caught.value)
    assert "15 subsets of 2 and fewer environments in the beam. Instead: Search a narrower beam than 7. Search smaller" in text
    assert "--n-shards" not in text


def test_a_search_of_minutes_is_told_how_long_at_the_beginning_and_one_of_seconds_is_not(capsys):
    search_time.tell(9.0)
    search_time.tell(600.0)
    assert capsys.readouterr().err == "This takes about 10 minutes.\n"
