from dataclasses import replace

import pytest

from rlhpc.errors import IncompleteSearchError, InputError
from rlhpc.search.settings import Settings
from rlhpc.search.shard import n_shard_subsets, read_shard, search_shard, stored_shards, write_shard

SETTINGS = Settings(3, n_folds=4, fold_seed=3, keep=10)


def test_progress_counts_every_subset_of_every_size(make_problem):
    counts = []
    problem = make_problem(n_envs=8)
    search_shard(problem, SETTINGS, 1, 4, report=counts.append)
    assert sum(counts) == n_shard_subsets(problem, SETTINGS, 1, 4) == 14 + 7 + 2


def test_a_size_too_large_for_the_problem_is_refused(make_problem):
    with pytest.raises(InputError, match="not smaller than the number of algorithms"):
        search_shard(make_problem(n_algos=3), SETTINGS)


def test_read_returns_what_write_wrote(make_problem, tmp_path):
    shard = search_shard(make_problem(missing=0.3), SETTINGS, 2, 5)
    path = write_shard(shard, tmp_path)
    loaded = read_shard(path)
    assert path.name == "0002-of-0005.npz"
    assert (loaded.name, loaded.settings, loaded.version) == (shard.name, shard.settings, shard.version)
    assert loaded.problem_hash == shard.problem_hash
    assert plain(loaded) == plain(shard)


def test_searching_a_shard_again_replaces_its_file_by_the_same_bytes(make_problem, tmp_path):
    written = []
    for _ in range(2):
        path = write_shard(search_shard(make_problem(missing=0.3), SETTINGS, 0, 3), tmp_path)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert [path.name for path in tmp_path.iterdir()] == ["0000-of-0003.npz"]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"not an archive"])
def test_a_damaged_shard_is_named(make_problem, tmp_path, damage):
    path = write_shard(search_shard(make_problem(), SETTINGS), tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IncompleteSearchError, match=r"0000-of-0001\.npz' cannot be read"):
        read_shard(path)


def test_a_shard_of_another_search_is_not_overwritten(make_problem, tmp_path):
    path = write_shard(search_shard(make_problem(), SETTINGS), tmp_path)
    before = path.read_bytes()
    with pytest.raises(IncompleteSearchError, match="shard of another search"):
        write_shard(search_shard(make_problem(seed=5), SETTINGS), tmp_path)
    assert path.read_bytes() == before
    assert write_shard(search_shard(make_problem(), SETTINGS), tmp_path).read_bytes() == before
    path.write_bytes(before[:50])
    assert write_shard(search_shard(make_problem(seed=5), SETTINGS), tmp_path) == path


def test_no_flipped_byte_of_a_shard_goes_unnoticed(make_problem, tmp_path):
    path = write_shard(search_shard(make_problem(n_envs=5), Settings(1)), tmp_path)
    data, sound = path.read_bytes(), plain(read_shard(path))
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :])
        try:
            assert plain(read_shard(path)) == sound  # some bytes, such as those of a date, mean nothing
        except IncompleteSearchError:
            continue


def plain(shard):
    found = [{key: value.tolist() if hasattr(value, "tolist") else value for key, value in vars(f).items()} for f in shard.found]
    return shard.name, shard.search, found


def test_sound_shards_of_this_search_count_as_stored(make_problem, tmp_path):
    problem = make_problem()
    paths = [write_shard(search_shard(problem, SETTINGS, index, 5), tmp_path) for index in range(4)]
    write_shard(search_shard(problem, Settings(2), 4, 6), tmp_path)
    paths[0].write_bytes(paths[0].read_bytes()[:100])
    paths[1].write_bytes(paths[2].read_bytes())
    assert stored_shards(tmp_path, problem, SETTINGS, range(5), 5) == [2, 3]
    assert stored_shards(tmp_path, problem, SETTINGS, [1, 3], 5) == [3]
    assert stored_shards(tmp_path, problem, SETTINGS, range(4), 6) == []
    assert stored_shards(tmp_path / "none", problem, SETTINGS, range(5), 5) == []


@pytest.mark.parametrize("other", ["dataset", "settings", "version"])
def test_shards_of_another_search_are_named_and_not_counted(make_problem, tmp_path, other, monkeypatch):
    problem, settings = make_problem(seed=1 if other == "dataset" else 0), Settings(3) if other == "settings" else SETTINGS
    shards = [search_shard(problem, settings, index, 30) for index in range(25)]
    for shard in shards:
        write_shard(replace(shard, version="0.0.0") if other == "version" else shard, tmp_path)
    with pytest.raises(IncompleteSearchError, match=r"shards of another search.*0000-of-0030, .*0019-of-0030 and 5 more\."):
        stored_shards(tmp_path, make_problem(seed=0), SETTINGS, range(30), 30)
