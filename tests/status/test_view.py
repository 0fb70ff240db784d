"""The view on a terminal: what needs a look first, all of it within the terminal's size, and readable without colours."""

import dataclasses
import datetime as dt
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rlhpc.results.node_load import GpuLoad, NodeLoad
from rlhpc.status.nodes import nodes
from rlhpc.status.overview import overview
from rlhpc.status.state import Failure, Queue, State, TrainingStatus
from rlhpc.status.text import describe
from rlhpc.status.view import cells, share, shortened, terminal, view

SIZES = [(200, 60), (120, 40), (80, 24), (60, 14), (40, 8)]


@pytest.fixture
def make_status(make_progress, tmp_path):
    """Make the status of a training in a state."""

    def make(state, seed, algo="ppo", slow="", failure=None):
        told = make_progress(host=f"n{seed % 2}", gpu=str(seed % 2)) if state is State.RUNNING else None
        rate = 10.0 if told else None
        reason = "" if told else f"because of {seed % 3}"
        name = f"bench/X-v0/{algo}/{seed}"
        return TrainingStatus(name, state, reason, tmp_path, told, steps_per_second=rate, slow=slow, failure=failure)

    return make


@pytest.fixture
def make_overview(tmp_path, now):
    def make(*found):
        return overview(tmp_path / "mine", now, found, Queue(), "")

    return make


@pytest.fixture
def make_load():
    """Make the load of a node with one GPU."""

    def make(host):
        return NodeLoad(host, "12_3", 16, 98.0, {"0": GpuLoad(76.0, 9.8, 85.9)})

    return make


@pytest.fixture
def busy(make_status, make_overview):
    """A grid with trainings in every state, of many algorithms."""
    failure = Failure("boom", "Mend it.", 2, "", "", "", "")
    done = [make_status(State.DONE, seed, f"algo{seed % 30}") for seed in range(60)]
    running = [make_status(State.RUNNING, seed, "running") for seed in range(30)]
    others = [make_status(state, seed) for seed, state in enumerate(State) if state is not State.FAILED]
    failed = [make_status(State.FAILED, seed, "failing", failure=failure) for seed in range(20)]
    return make_overview(*done, *running, *others, *failed, make_status(State.RUNNING, 99, "slow", slow="it says nothing"))


def painted(shown, width=120, height=40, encoding="utf-8"):
    """Return the lines that a terminal of a size shows."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, height=height, force_terminal=True, color_system=None)
    console.print(view(shown, console))
    stream.seek(0)
    return stream.read().splitlines()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_fits_into_a_terminal_of_any_size_and_says_how_to_end_it(busy, width, height):
    lines = painted(busy, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert "Ctrl-C"[: max(width - 10, 6)] in lines[-1]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_fits_also_where_slurm_says_what_is_wrong_in_several_lines(busy, width, height):
    fault = "'squeue' failed: slurm_load_jobs error:\nUnable to contact\nthe controller"
    lines = painted(dataclasses.replace(busy, queue=Queue(fault=fault)), width, height)
    assert len(lines) <= height
    assert "Ctrl-C"[: max(width - 10, 6)] in lines[-1]


def test_that_the_folder_cannot_be_read_just_now_is_told_above_all_that_is_of_before(busy):
    lines = painted(dataclasses.replace(busy, folder_fault="the folder cannot be read just now"))
    told = lines.index("the folder cannot be read just now")
    assert told < lines.index(next(line for line in lines if line.startswith("To look at")))


def test_the_failed_and_the_slow_come_first_with_what_to_do(busy):
    lines = painted(busy, 160, 200)
    place = lines.index(next(line for line in lines if line.startswith("To look at")))
    assert place < lines.index(next(line for line in lines if line.startswith("Trainings")))
    assert " ".join(lines[place + 2].split()) == "bench/X-v0/failing/0 and 6 more because of 0; to do: Mend it."
    assert any(line.split()[:1] == ["bench/X-v0/slow/99"] and "it says nothing" in line for line in lines)


def test_kinds_with_something_to_look_at_stand_above_those_that_run_and_these_above_those_that_are_done(busy):
    algos = [line.split()[1] for line in painted(busy, 160, 200) if line.startswith("bench  ")]
    assert set(algos[:3]) == {"failing", "ppo", "slow"}  # of ppo one is damaged and one silent
    assert algos[3] == "running"
    assert set(algos[4:]) == {f"algo{number}" for number in range(30)}


def test_where_they_run_is_told_for_each_gpu(busy):
    rows = [line.split() for line in painted(busy, 160, 200) if line.startswith(("n0 ", "n1 "))]
    assert rows == [["n0", "0", "12_3", "15", "150"], ["n1", "1", "12_3", "17", "170"]]


@pytest.mark.parametrize(
    ("width", "names", "first"),
    [
        (40, "node GPU run GPU busy cores", "n0 0 15 76 % 98 %"),
        (60, "node GPU run steps/s GPU busy memory cores", "n0 0 15 150 76 % 9.8 of 86 GB 98 %"),
        (80, "node GPU job trainings steps/s GPU busy memory cores busy", "n0 0 12_3 15 150 76 % 9.8 of 86 GB 98 %"),
    ],
)
def test_how_busy_each_gpu_and_its_cores_are_is_told_where_that_is_known(busy, make_load, width, names, first):
    lines = painted(dataclasses.replace(busy, nodes=nodes(busy.trainings, [make_load("n0")])), width, 200)
    (heading,) = [" ".join(line.split()) for line in lines if line.startswith("node ")]
    assert heading == names
    rows = [" ".join(line.split()) for line in lines if line.startswith(("n0 ", "n1 "))]
    assert rows[0] == first
    assert "%" not in rows[1]


def test_how_busy_a_node_is_is_told_in_words_too(busy, make_load):
    told = describe(dataclasses.replace(busy, nodes=nodes(busy.trainings, [make_load("n0")])))
    assert "  - on n0, GPU 0 (job 12_3): 15 trainings, 150 steps/s; GPU 76 % busy, 9.8 of 86 GB; 16 cores 98 % busy\n" in told
    assert "  - on n1, GPU 1 (job 12_3): 17 trainings, 170 steps/s\n" in told


def test_what_there_is_no_room_for_is_counted(busy):
    whole, shown = (to_look_at(painted(busy, 100, height)) for height in (200, 24))
    assert len(shown) > 1
    assert shown[-1] == f"... {len(whole) - len(shown) + 1} more; make the window higher"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_where_there_are_no_lines_to_draw_with_letters_do(busy, encoding):
    assert "###" in "\n".join(painted(busy, encoding=encoding))


@pytest.mark.parametrize(
    ("encoding", "bar"),
    [("utf-8", "\u2501\u2501\u2550\u2550\u254c\u254c\u2500\u2500\u254c\u254c\u00d7\u00d7"), ("ascii", "##==~~..~~xx")],
)
def test_a_bar_is_read_without_colours(make_overview, make_status, encoding, bar):
    states = [state for state in State if state is not State.DAMAGED]
    lines = painted(make_overview(*(make_status(state, 1) for state in states)), 160, encoding=encoding)
    (row,) = [line.split() for line in lines if line.startswith("bench  ")]
    assert row[2] == bar


def to_look_at(lines):
    """Return the rows of what needs a look, without the heading."""
    heading = lines.index(next(line for line in lines if line.startswith("To look at")))
    return lines[heading + 2 : lines.index("", heading)]


@pytest.fixture
def long(make_overview, make_progress, now, tmp_path):
    """A grid of long names: on nodes of long names, with trainings of each state, one of which says much."""
    told = make_progress(host="gpunode-a100-017.cluster.example.edu", job="1234567_3", may_end_early=True)

    def make(state, seed, algo="recurrent_ppo_of_a_long_name", reason=""):
        name = f"atari100k/MsPacmanNoFrameskip-v4/{algo}/{seed}"
        fields = {"progress": told, "steps_per_second": 12_345.0, "percent": 50.0, "ends_at": now + dt.timedelta(days=1)}
        return TrainingStatus(name, state, reason, tmp_path, **(fields if state is State.RUNNING else {}))

    why = "ValueError: the environment returned an observation of another shape; to do: mend it and launch again"
    states = [make(state, seed, reason=why) for seed, state in enumerate(State)]
    return make_overview(*states, *(make(State.DONE, seed, "ppo") for seed in range(100)))


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (60, "benchmark algorithm done run wait fail"),
        (80, "benchmark algorithm done run wait fail run% ends"),
        (120, "benchmark algorithm done run silent wait stop fail damaged steps/s run% ends"),
        (160, "benchmark algorithm done running silent waiting stopped failed damaged steps/s run% ends"),
    ],
)
def test_where_there_is_little_room_whole_columns_are_left_out_and_names_stay_readable(long, width, names):
    lines = painted(long, width, 60)
    heading = next(line for line in lines if line.startswith("benchmark"))
    assert heading.split() == names.split()
    rows = [line for line in lines if line.startswith("atari100k  ")]
    assert [row.split()[1] for row in rows][1] == "ppo"
    begin, _, end = rows[0].split()[1].partition("\u2026")
    assert "recurrent_ppo_of_a_long_name".startswith(begin)
    assert begin.startswith("recurr")
    assert end == "" or end.endswith("g_name")
    assert "1/7" in rows[0]
    assert "100/100" in rows[1]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_is_to_be_done_is_told_to_its_end_in_as_many_lines_as_it_takes(long, width):
    told = " ".join(" ".join(line.split()) for line in painted(long, width, 60))
    (*_, row) = told.partition("To look at")
    assert "mend it" in row.partition("Trainings")[0]
    assert "launch again" in row.partition("Trainings")[0]
    counted = told.partition("To look at")[0]
    assert all(f"1 {state}" in counted for state in State if state is not State.DONE)


@pytest.mark.parametrize(
    ("width", "node"), [(60, "gpunode-a100\u20265.example.edu"), (120, "gpunode-a100-017.cluster.example.edu")]
)
def test_nodes_are_told_with_how_much_runs_there_whatever_the_width(long, width, node):
    (row,) = [line.split() for line in painted(long, width, 60) if line.startswith("gpunode")]
    assert row[1:] == ["1", "1234567_3", "1", "12,345"]
    assert row[0][:8] == node[:8]
    assert len(row[0]) >= 20


@given(st.text("abc", max_size=30), st.integers(1, 30), st.sampled_from(["...", "\u2026"]))
def test_a_text_that_is_cut_keeps_both_ends_within_its_width(whole, width, dots):
    cut = shortened(whole, width, dots)
    assert len(cut) == min(len(whole), width)
    if len(whole) > width >= len(dots) + 2:
        assert (cut[0], cut[-1]) == (whole[0], whole[-1])


def test_a_row_that_is_too_long_for_the_room_is_counted_and_not_broken_off(long):
    shown = to_look_at(painted(long, 60, 31))
    assert shown[-1].endswith("more; make the window higher")
    assert "launch again" in shown[-2]


def test_of_a_single_row_that_is_broken_off_it_is_told_that_there_is_more(make_overview, tmp_path):
    reason = "ValueError: " + "a word of many " * 6 + "the end"
    shown = make_overview(TrainingStatus("bench/X-v0/ppo/1", State.FAILED, reason, tmp_path))
    sections = []
    for height in range(8, 40):
        _, heading, section = " ".join(" ".join(painted(shown, 60, height)).split()).partition("To look at")
        sections += [section] if heading else []
    whole = [("the end" in section, "...; make the window higher" in section) for section in sections]
    assert set(whole) == {(True, False), (False, True)}


def test_a_grid_of_nothing_is_shown_too(make_overview):
    assert "0 trainings" in painted(make_overview())[0]


def test_a_grid_that_is_done_has_no_headings_of_what_is_not_there(make_overview, make_status):
    told = "\n".join(painted(make_overview(make_status(State.DONE, 1))))
    assert "100 % done" in told
    assert "the only training is stored; next, to collect its scores: python jobs/collect_scores.py" in " ".join(told.split())
    assert "Slurm" not in told
    assert "To look at" not in told
    assert "Where they run" not in told


def test_a_file_and_a_terminal_that_cannot_be_painted_on_are_no_terminals(monkeypatch):
    assert terminal(io.StringIO()) is None
    tty = io.StringIO()
    tty.isatty = lambda: True
    monkeypatch.setenv("TERM", "xterm")
    assert terminal(tty) is not None
    monkeypatch.setenv("TERM", "dumb")
    assert terminal(tty) is None


sections = st.lists(st.tuples(st.integers(0, 30), st.integers(3, 5), st.integers(1, 3)), min_size=1, max_size=5)


@given(sections, st.integers(-5, 80))
def test_sections_never_get_more_than_there_is_or_than_they_want_and_something_or_nothing(made, room):
    wanted, least, weights = ([row[0] + row[1] for row in made], [row[1] for row in made], [row[2] for row in made])
    shared = share(wanted, least, weights, room)
    assert sum(shared) <= max(room, 0)
    assert all(n_lines == 0 or low <= n_lines <= most for n_lines, low, most in zip(shared, least, wanted, strict=True))
    if sum(wanted) <= room:
        assert shared == wanted
    elif all(shared):
        assert sum(shared) == room


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=7), st.integers(7, 40))
def test_every_state_has_a_cell_and_the_bar_is_as_long_as_asked(counts, n_cells):
    shared = cells(counts, n_cells)
    assert sum(shared) == n_cells
    assert min(shared) >= 1


def test_cells_are_in_proportion():
    assert cells([1, 1], 12) == [6, 6]
    assert cells([3, 1], 12) == [9, 3]
    assert cells([5], 12) == [12]


def test_times_are_those_of_the_clock_on_the_wall(make_overview, now):
    assert painted(make_overview())[-1].startswith(f"{now.astimezone():%H:%M:%S}")
