"""Figures: well-formed, the same each time, with text that stays text."""

import functools
import itertools
from dataclasses import replace
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from rlhpc.report import figures
from rlhpc.report.completeness import Completeness
from rlhpc.report.figures import front
from rlhpc.report.learning_curves import LearningCurves
from rlhpc.report.scales import shorten

NAMES = ["<script>alert(1)</script>", "a & b", "$x$ _y_ ^z^", "]]> -- x"]
INF, NAN = np.inf, np.nan
ERRORS = {"claimed": (0.01, 0.01), "unselected": (0.3, 0.33), "honest": (0.5, 0.5), "guessing": (0.4, 0.4)}
DRAWS = np.geomspace(0.02, 0.4, 50)
POINTS = np.array([5.0, 7.0, 10.0])
INTERVALS = np.array([[50.0, 40.0, 60.0], [40.0, NAN, NAN], [30.0, -900.0, 900.0], [20.0, 19.0, 21.0]])
THRESHOLDS = np.linspace(0, 200, 21)


def profiles(names):
    share = np.linspace(1, 0, 21)
    return {name: np.array([share**place, share**place * 0.9, share**place * 0.9 + 0.1]) for place, name in enumerate(names, 1)}


def many_profiles():
    unknown = np.array([np.linspace(1, 0, 21), np.full(21, NAN), np.full(21, NAN)])
    return profiles(f"algo {n}" for n in range(11)) | {"one seed": unknown}


def error_bars(**errors):
    return figures.error_bars(errors, "claimed", "honest")


def predicted(true, fitted, held_out=None, intervals=None):
    arrays = [None if values is None else np.array(values, dtype=float) for values in (true, fitted, held_out, intervals)]
    return figures.predicted_scores(NAMES[: len(true)], *arrays)


def sample_sizes(claimed, honest, needed):
    curves = {"claimed": np.array(claimed), "honest": np.array(honest), "guessing": np.full(3, 0.3)}
    return figures.sample_size_curve(POINTS, curves, np.array([0.5, 0.1, NAN]), needed)


def cost_front(subsets, costs=None, errors=None):
    n = len(subsets)
    costs = np.geomspace(1, 100, n) if costs is None else np.array(costs)
    return figures.cost_front(subsets, costs, np.geomspace(0.5, 0.01, n) if errors is None else np.array(errors), "hours")


DRAWINGS = {
    "errors": lambda: error_bars(**ERRORS),
    "singles": lambda: figures.single_envs(NAMES, np.array([0.1, INF, 9.0, 0.0]), [True, False, False, True], 0.3),
    "others": lambda: figures.other_envs(NAMES, np.array([0.1, INF, 0.0, 0.2]), np.array([0.2, INF, 1e-9, 3.0])),
    "predicted": lambda: predicted([0.5, 1], [0.6, NAN], [-3.0, NAN]),
    "predicted intervals": lambda: predicted([0.5, 1], [0.6, 0.9], [0.7, NAN], [[-9.0, 0.8], [NAN, NAN]]),
    "unknown": lambda: predicted([0.5, 1], [0.6, 1.1]),
    "exact sizes": lambda: figures.size_curves([2, 1], {n: np.zeros(2) for n in "abcd"}, 0.0),
    "exact others": lambda: figures.other_envs(NAMES, np.zeros(4), np.zeros(4)),
    "exact singles": lambda: figures.single_envs(NAMES, np.zeros(4), [True] * 4, 0.0),
    "exact errors": lambda: error_bars(**dict.fromkeys(ERRORS, (0.0, 0.0))),
    "zero scores": lambda: predicted(np.zeros(3), np.zeros(3), np.zeros(3), np.zeros((3, 2))),
    "sizes": lambda: figures.size_curves([2, 1], {n: np.array([0.1, NAN]) for n in "abc"} | {"d": np.full(2, NAN)}, 0.0),
    "null": lambda: figures.null_histograms({"shuffled targets": (0.01, DRAWS), "permuted columns": (0.1, DRAWS[:3])}),
    "exact null": lambda: figures.null_histograms({"shuffled targets": (0.0, np.zeros(4))}),
    "stability": lambda: figures.stability_bars(
        NAMES, {"without one": np.array([1.0, 0.5, 0.2, 0.0]), "other folds": np.full(4, 0.25)}, [True, False, True, False]
    ),
    "samples": lambda: sample_sizes([0.01, NAN, 0.02], [2.0, 0.4, 0.2], 23),
    "exact samples": lambda: sample_sizes([0.0, 0.0, 0.0], [0.0, 0.4, 0.2], None),
    "front": lambda: cost_front([[name] for name in NAMES]),
    "free front": lambda: cost_front([[name] for name in NAMES], [0, 1, 2, 3], [0.1, 0.01, 0.001, 0]),
    "long front": lambda: cost_front([NAMES] * 30),
    "intervals": lambda: figures.algo_intervals(NAMES, {"IQM": INTERVALS, "optimality gap": INTERVALS}),
    "no intervals": lambda: figures.algo_intervals(NAMES[:1], {"IQM": np.array([[3.0, NAN, NAN]])}),
    "profiles": lambda: figures.performance_profiles(THRESHOLDS, profiles(NAMES)),
    "many profiles": lambda: figures.performance_profiles(THRESHOLDS, many_profiles()),
}
CURVES = [
    LearningCurves(env_id, np.arange(1.0, 5.0), {name: np.array([1.0, NAN, 3.0, -900.0]) for name in NAMES[:n]}, n, 3)
    for env_id, n in zip(NAMES[:2], (4, 1), strict=True)
]
CELLS = {(env_id, algo): 2 for env_id in NAMES for algo in NAMES[:3]}
GRID = Completeness(tuple(NAMES), tuple(NAMES[:3]), CELLS, {cell: place % 3 for place, cell in enumerate(CELLS)}, ())
DRAWINGS |= {
    "curves": lambda: figures.learning_curves(CURVES, NAMES),
    "many curves": lambda: figures.learning_curves(CURVES[:1], [*"abcdefgh", *NAMES]),
    "grid": lambda: figures.training_grid(GRID),
    "complete grid": lambda: figures.training_grid(replace(GRID, scored=CELLS)),
}
NAMED = ["singles", "others", "stability", "front", "intervals", "profiles", "grid"]


@functools.cache
def drawn(name):
    return DRAWINGS[name]()


def parsed(svg):
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="x" ', 1))  # noqa: S314 - our own text


def texts(svg):
    return ["".join(node.itertext()).strip() for node in parsed(svg).iter("text")]


@pytest.mark.parametrize("name", DRAWINGS)
def test_figure_is_well_formed_and_says_what_it_shows(name):
    root = parsed(drawn(name))
    assert root.get("role") == "img"
    assert len(root.get("aria-label")) > 20


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_twice_gives_the_same_bytes(name):
    assert DRAWINGS[name]() == drawn(name)


@pytest.mark.parametrize("name", DRAWINGS)
def test_figure_names_no_address_and_no_colour_of_its_own(name):
    svg = drawn(name)
    assert "http" not in svg
    assert "<script" not in svg
    assert "#0102" not in svg
    assert "#000000" not in svg.replace("stroke: none", "")


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_number_but_what_is_written_is_nan_or_infinite(name):
    svg = drawn(name)
    assert not [tag for tag in parsed(svg).iter() if "nan" in tag.get("d", "") or "inf" in tag.get("d", "")]


@pytest.mark.parametrize("name", NAMED)
def test_names_stay_text_whatever_is_in_them(name):
    written = texts(drawn(name))
    for env_id in NAMES:
        assert shorten(env_id) in written


def test_cut_off_bar_shows_its_value():
    svg = drawn("singles")
    assert "9 →" in svg
    assert "too few scores" in svg


def test_error_that_is_known_between_bounds_shows_both():
    written = texts(drawn("errors"))
    assert "0.300 to 0.330" in written
    assert "0.500" in written


@pytest.mark.parametrize("name", ["others", "exact others", "exact sizes", "exact samples"])
def test_what_is_exact_is_drawn_at_a_tick_that_says_zero(name):
    assert texts(drawn(name)).count("0") == 1


def test_an_axis_with_exact_values_has_another_tick_to_read_the_rest_by():
    both = np.array([0.0, 0.3])  # between the ticks of 0.2 and 0.5
    assert {"0", "0.3"} <= set(texts(figures.other_envs(NAMES[:2], both, both)))


def test_an_exact_prediction_is_said_to_be_zero():
    assert f"{NAMES[2]}, no intercept: CV MSE 0" in titles(drawn("others"))


def test_an_axis_without_exact_values_has_no_zero():
    assert "0" not in texts(figures.other_envs(NAMES[:2], np.array([0.1, 0.2]), np.array([0.2, INF])))


def test_null_tells_observed_and_middle_to_those_who_do_not_see_it():
    label = parsed(drawn("null")).get("aria-label")
    assert "50 with shuffled targets: 0.01 against 0.0895 in the middle" in label
    assert "3 with permuted columns: 0.1 against" in label


def test_needed_number_of_algorithms_is_marked_where_it_is_known():
    assert "needed: 23" in texts(drawn("samples"))
    assert not [text for text in texts(drawn("exact samples")) if "needed" in text]


def test_points_of_a_long_front_are_numbered():
    written = texts(drawn("long front"))
    assert {"1", "2", "30"} <= set(written)
    assert not {shorten(name) for name in NAMES} & set(written)


def test_points_without_room_for_their_names_are_numbered():
    written = texts(
        cost_front([[f"a long name of an environment {n}"] for n in range(6)], errors=[0.1 - n / 1e4 for n in range(6)])
    )
    assert {"1", "6"} <= set(written)
    assert not [text for text in written if "environment" in text]


@pytest.mark.parametrize("n_points", [2, 4, 8, 9, 40])
def test_labels_of_a_front_touch_no_other(n_points, monkeypatch):
    rng = np.random.default_rng(n_points)
    written = []
    real = front._written
    monkeypatch.setattr(front, "_written", lambda *args: written.append(real(*args)) or written[-1])
    costs, errors = np.sort(10 ** rng.uniform(0, 2, n_points)), np.sort(10 ** rng.uniform(-2, 0, n_points))[::-1]
    cost_front([["Pong", "Ms Pacman"]] * n_points, costs, errors)
    boxes = [label.get_window_extent() for label in written[-1]]
    assert len(boxes) > min(n_points, 12) / 2
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_at_most_eight_profiles_have_a_colour_and_all_others_are_grey():
    svg = drawn("many profiles")
    assert [name for name in texts(svg) if name.startswith("algo")] == [f"algo {n}" for n in range(8)]
    grey = [
        node
        for node in parsed(svg).iter("path")
        if node.get("style") == "fill: none; stroke: var(--line); stroke-linecap: square"
    ]
    assert len(grey) == 12 - 8


def test_bands_are_drawn_of_a_few_profiles_only():
    assert "opacity: 0.15" in drawn("profiles")
    assert "opacity: 0.15" not in drawn("many profiles")


def test_users_own_style_changes_nothing():
    before = DRAWINGS["errors"]()
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert DRAWINGS["errors"]() == before


def test_drawing_leaves_the_users_style_alone():
    before = mpl.rcParams["font.size"], mpl.rcParams["text.parse_math"], mpl.rcParams["axes.edgecolor"]
    DRAWINGS["errors"]()
    assert (mpl.rcParams["font.size"], mpl.rcParams["text.parse_math"], mpl.rcParams["axes.edgecolor"]) == before


def titles(svg):
    return [tag.text for tag in parsed(svg).iter() if tag.tag.endswith("title")]


def test_a_marker_says_which_algorithm_it_is_and_its_scores():
    svg = predicted([1.0, 0.5], [1.1, NAN], [0.0, 0.6])
    assert titles(svg) == [
        f"{NAMES[0]}: predicted without it 0, true 9",
        f"{NAMES[1]}: predicted without it 2.98, true 2.16",
        f"{NAMES[0]}: fitted 11.6, true 9",
    ]


def test_a_point_of_the_front_says_its_subset_cost_and_error():
    svg = cost_front([["Pong", "a & b"], ["Boxing"]], [1, 10], [0.5, 0.25])
    assert titles(svg) == ["Pong, a & b: 1 hours, claimed MSE 0.5", "Boxing: 10 hours, claimed MSE 0.25"]


def test_a_mark_of_the_grid_says_how_many_of_its_trainings_have_a_score():
    assert sorted(titles(drawn("grid"))) == sorted(
        f"{algo}, {env_id}: {GRID.scored[env_id, algo]} of 2 trainings have a score" for env_id, algo in CELLS
    )


def test_curves_go_on_across_parts_in_which_no_episode_ended():
    path = next(node for node in parsed(drawn("many curves")).iter() if node.get("d", "").count("L") == 2)
    assert path is not None


def test_a_bar_or_a_dot_of_an_environment_says_its_error():
    assert titles(drawn("singles")) == [
        f"{NAMES[3]}: CV MSE 0",
        f"{NAMES[0]}: CV MSE 0.1",
        f"{NAMES[2]}: CV MSE 9",
        f"{NAMES[1]}: CV MSE inf",
    ]
    assert f"{NAMES[0]}, with intercept: CV MSE 0.2" in titles(drawn("others"))
    assert len(titles(drawn("others"))) == 6  # two of eight are not finite


def test_bars_of_stability_dots_of_sizes_and_of_intervals_say_what_they_are():
    assert f"{NAMES[1]}, without one: 50%" in titles(drawn("stability"))
    assert titles(drawn("sizes")) == [f"{name}, 2 environments: MSE 0.1" for name in "abc"]
    assert f"{NAMES[0]}: IQM 50, interval 40 to 60" in titles(drawn("intervals"))
    assert f"{NAMES[1]}: IQM 40" in titles(drawn("intervals"))
