import csv

import pytest

from rlhpc.errors import RlhpcError
from rlhpc.results import collect, wandb_links
from rlhpc.results.collect import write_scores
from rlhpc.results.wandb_links import Links, fill_in, read_links
from rlhpc.results.wandb_runs import OfflineRun, Part


@pytest.fixture
def part(store):
    folder = store.trainings / "bench" / "Pong" / "ppo" / "1" / "wandb" / "offline-run-20250101_000000-abc"
    folder.mkdir(parents=True)
    (folder / "run-abc.wandb").write_bytes(b"12345")
    return Part("bench/Pong/ppo/1", folder)


@pytest.fixture
def scores(store, put):
    """Write a scores.csv in which one training has a link, and two have none."""
    results = [put("Pong", "ppo", 1, 1.0, wandb={"url": "https://old", "run_id": "old"})]
    results += [put("Pong", "ppo", seed, 1.5, 2.0, device={"type": "cpu", "cpu": 'a "fast", one'}) for seed in (2, 3)]
    return write_scores(results, store.root, store.scores)


def test_what_is_remembered_is_read_again(store, part):
    links = read_links(store.root)
    links.remember(part, "https://w/team/mine/runs/abc")
    assert read_links(store.root).urls == {"abc": "https://w/team/mine/runs/abc"}


def test_a_link_that_was_told_once_is_kept(store, part):
    links = read_links(store.root)
    links.remember(part, "https://w/abc")
    links.remember(part, None)
    assert read_links(store.root).urls == {"abc": "https://w/abc"}


def test_a_part_that_cannot_be_read_is_sent_again_only_when_it_has_grown(store, part):
    run = OfflineRun(part.training, "abc", (part,))
    read_links(store.root).remember(part, None, "the file ends with an incomplete record")
    links = read_links(store.root)
    assert links.fault_of(part) == "the file ends with an incomplete record"
    assert links.to_send(run) == ()
    part.file.write_bytes(b"123456")
    assert links.to_send(run) == (part,)
    links.remember(part, None)
    part.mark.touch()
    assert (links.unreadable, links.to_send(run)) == ({}, ())


def test_a_run_that_is_marked_as_sent_and_has_no_link_is_known_as_such_until_it_has_one(store, part):
    run, links = OfflineRun(part.training, "abc", (part,)), read_links(store.root)
    links.reserve(["abc"])
    assert read_links(store.root).urls == {"abc": None}
    assert links.without_link([run]) == ()  # nothing of it is sent
    part.mark.touch()  # and then the start was killed
    assert read_links(store.root).without_link([run]) == (run,)
    assert Links(store.root).without_link([run]) == (run,)  # sent by hand
    links.remember(part, "https://w/abc")
    links.reserve(["abc"])
    assert read_links(store.root).urls == {"abc": "https://w/abc"}
    assert read_links(store.root).without_link([run]) == ()


@pytest.mark.parametrize(("tracked", "is_known"), [("abc", True), ("other", False)])
def test_a_link_that_the_result_of_the_run_knows_is_not_lacking(store, put, part, tracked, is_known):
    run = OfflineRun(part.training, "abc", (part,))
    part.mark.touch()
    put("Pong", "ppo", 1, 1.0, wandb={"run_id": tracked, "url": f"https://w/{tracked}"})
    assert (Links(store.root).without_link([run]) == ()) == is_known


@pytest.mark.parametrize(
    "text", ["", "[]", '{"urls": {}}', '{"urls": [], "unreadable": {}}', '{"urls": {}, "unreadable": {"a": 1}}']
)
def test_a_damaged_record_is_refused_and_says_what_is_lost_without_it(store, text):
    store.root.mkdir()
    (store.root / "wandb_links.json").write_text(text)
    with pytest.raises(RlhpcError, match=r"wandb_links.json' cannot be read: .* Mend it or move it away"):
        read_links(store.root)


def test_links_belong_to_results_by_the_id_of_their_run(store, put):
    put("Pong", "ppo", 1, 1.0, wandb={"mode": "offline", "run_id": "abc", "url": None})
    put("Pong", "ppo", 2, 1.0)
    put("Pong", "ppo", 3, 1.0, wandb={"mode": "offline", "run_id": "sent", "url": None})
    links = Links(store.root, {"abc": "https://w/abc", "other": "https://w/other", "sent": None})
    assert links.of_results(store) == {"trainings/bench/Pong/ppo/1": "https://w/abc"}


def test_only_empty_cells_are_filled_in_and_every_other_byte_stays(scores):
    before = scores.read_bytes()
    links = {f"trainings/bench/Pong/ppo/{seed}": f"https://new/{seed}" for seed in (1, 2)}
    assert fill_in(scores, links) == 1
    with scores.open(newline="") as stream:
        assert [row["wandb_url"] for row in csv.DictReader(stream)] == ["https://old", "https://new/2", ""]
    assert scores.read_bytes().replace(b"https://new/2", b"") == before


def test_columns_that_are_renamed_are_still_found(store, put, monkeypatch):
    for module in (collect, wandb_links):
        monkeypatch.setattr(module, "LINK_COLUMN", "link")
        monkeypatch.setattr(module, "FOLDER_COLUMN", "place")
    scores = write_scores([put("Pong", "ppo", 1, 1.0)], store.root, store.scores)
    assert fill_in(scores, {"trainings/bench/Pong/ppo/1": "https://new"}) == 1
    assert ",https://new,," in scores.read_text()


def test_without_anything_to_fill_in_the_file_is_not_written(scores):
    before = scores.stat()
    assert fill_in(scores, {}) == 0
    assert (scores.stat().st_ino, scores.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"Pong", b'"Pong"', 1),
        lambda text: text.replace(b"wandb_url", b"link"),
        lambda text: text + b"a,row,of,its,own\n",
        lambda text: b"\xff" + text,
        lambda _: b"",
    ],
)
def test_a_table_that_another_program_has_changed_is_left_as_it_is(scores, edit):
    scores.write_bytes(edit(scores.read_bytes()))
    before = scores.read_bytes()
    assert fill_in(scores, {"trainings/bench/Pong/ppo/2": "https://new"}) is None
    assert scores.read_bytes() == before
