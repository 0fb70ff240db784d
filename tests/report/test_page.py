"""The page: self-contained, escaped, accessible, the same each time, and never a subset without its honest error."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import escape

from rlhpc.report import page
from rlhpc.report.completeness import NOT_COLLECTED, Completeness
from rlhpc.report.learning_curves import LearningCurves
from rlhpc.report.page import TEMPLATES, Trainings, render
from rlhpc.report.seeds import Interval, SeedScores
from rlhpc.report.tables import number
from rlhpc.report.trust_record import TrustInput, trust_record
from rlhpc.report.trust_work import trust_given
from rlhpc.results.coverage import KEEP_ALL
from rlhpc.search.trust import DO_NOT_USE, SOUND, Plan, redo

VOID = {"meta", "link", "br", "img", "hr", "input"}
LOADING = {"src", "srcset", "data", "action", "poster", "background", "formaction", "manifest"}


def seed_scores(intervals, *notes):
    """Return what a page shows of single seeds."""
    return SeedScores(intervals, notes, np.empty((0, 0, 0)), {})


SEEDS = seed_scores({}, "<i>a note</i>")
N_FIGURES = 11  # of a page with everything
# What trust.json may lack -> words that stand on the page only if it is there.
PARTS = {
    "unselected": "That is what a subset taken at random would claim",
    "interval_level": "90 % interval",
    "null": "Does chance alone claim as much?",
    "stability": "Would the search choose the same again?",
    "sample_size": "Would more algorithms help?",
    "seed_noise": "How much of it is the noise of seeds?",
    "alike": "What is nearly the same?",
    "front": "What it costs",
    "coverage": "Missing scores",
    "statistics": "Algorithms compared",
}


class Page(HTMLParser):
    """Collect every tag with its attributes, and check that tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def of(self, *tags):
        return [attributes for tag, attributes in self.tags if tag in tags]


@pytest.fixture(scope="module")
def report(found, make_report, full_trust):
    """Everything that a page can show."""
    made = make_report(found)
    return replace(made, trust=full_trust(made.trust, found.problem))


@pytest.fixture(scope="module")
def text(report):
    return render(report)


def test_same_report_gives_the_same_bytes(report, text):
    assert render(report) == text


def test_page_loads_nothing(text):
    parsed = Page(text)
    assert not parsed.of("img", "iframe", "object", "embed", "base", "form")
    for tag, attributes in parsed.tags:
        assert not LOADING & attributes.keys(), tag
        assert all(not name.startswith("on") for name in attributes), tag
    assert [link["href"] for link in parsed.of("link")] == ["data:,"]
    assert not re.search(r"@import|url\((?!#)", text)
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", text))
    policy = next(meta["content"] for meta in parsed.of("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert parsed.of("script") == [{}]
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy  # a script of another's is not run
    assert [meta["content"] for meta in parsed.of("meta") if meta.get("name") == "referrer"] == ["no-referrer"]


def test_links_of_a_page_lead_to_places_in_it(text):
    parsed = Page(text)
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [
        value for _, attributes in parsed.tags for key, value in attributes.items() if key.endswith("href") and "#" in value
    ]
    assert len(targets) > 7
    assert {target.removeprefix("#") for target in targets} <= set(ids)
    labels = [attributes["aria-labelledby"] for _, attributes in parsed.tags if "aria-labelledby" in attributes]
    assert set(labels) <= set(ids)


def test_names_with_markup_are_shown_as_text(report, text):
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(&#39;env&#39;)&lt;/script&gt;" in text
    assert "<b>sac" not in text
    assert "<i>a note" not in render(replace(report, trainings=Trainings(SEEDS)))


def test_page_has_language_title_and_headings_in_order(text):
    parsed = Page(text)
    assert parsed.of("html") == [{"lang": "en"}]
    assert text.partition("<body>")[0].count("<title>") == len(parsed.of("h1")) == len(parsed.of("main")) == 1
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert all(later - earlier <= 1 for earlier, later in zip([0, *levels], levels, strict=False))


def test_tables_scroll_in_boxes_that_a_keyboard_reaches(text):
    parsed = Page(text)
    boxes = [attributes for attributes in parsed.of("div") if attributes.get("class", "").startswith("scroll")]
    assert len(boxes) == len(parsed.of("table")) >= 15
    assert all((box["tabindex"], box["role"]) == ("0", "region") and box["aria-label"] for box in boxes)


def test_figures_have_labels_and_captions(text):
    parsed = Page(text)
    assert len(parsed.of("svg")) == len(parsed.of("figure")) == len(parsed.of("figcaption")) == N_FIGURES
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in parsed.of("svg"))


def test_honest_error_stands_with_the_subset(found, make_report):
    report = make_report(found)
    shown = render(report)
    verdict = shown[: shown.index('id="searched"')]
    assert len(found.ranking[0].subset) == 2
    assert all(f'<span class="name">{escape(name)}</span>' in verdict for name in found.ranking[0].subset)
    assert f"<td>{number(report.trust['honest']['mse'])}</td>" in verdict
    assert all(str(escape(sentence)) in verdict for sentence in report.trust["sentences"])


def test_page_without_an_honest_error_says_why_everywhere(report):
    unknown = {
        "verdict": "no trust figure",
        "sentences": ["There are only three."],
        "no_figure": "There are only three.",
        "honest": None,
        "held_out": [],
    }
    shown = render(replace(report, trust=report.trust | unknown | dict.fromkeys(PARTS)))
    assert shown.count("There are only three.") == 2
    assert "The honest error of taking the first is not known." in shown
    assert "No trust figure" in shown
    assert "left out once" not in shown


@pytest.mark.parametrize("key", PARTS)
@pytest.mark.parametrize("absent", [True, False])
def test_what_could_not_be_computed_is_left_out_and_the_reason_given(report, text, key, absent, monkeypatch):
    monkeypatch.setattr(page, "_figures", lambda _: {})  # tests/report/test_trust_figures.py has what is drawn
    trust = {name: value for name, value in report.trust.items() if name != key} | ({} if absent else {key: None})
    assert PARTS[key] in text
    assert PARTS[key] not in render(replace(report, trust=trust))
    reason = "It takes <more> than it may."
    shown = render(replace(report, trust=trust | {"why": {key: reason}}))
    assert Page(shown)
    assert shown.count(str(escape(reason))) == 1


def test_page_shows_searches_that_were_really_redone(found, make_report):
    scores = found.problem.scores[:, None] * np.random.default_rng(0).uniform(0.5, 2, (6, 3, 5))
    seeds = SeedScores({}, (), scores, {})
    plan = Plan(n_permutations=30, n_fold_seeds=0, n_pairs=4, n_resamples=10, n_subsamples=0)
    given = trust_given(found.problem, found.settings, plan, KEEP_ALL, seeds)
    trust = trust_record(found, TrustInput(given, redo(given, given.replicates)), seeds)
    shown = render(replace(make_report(found), trust=trust))
    assert len(Page(shown).of("svg")) == N_FIGURES - 2  # too few algorithms for parts of them, and no costs
    assert shown.count("(30 draws)") == 2
    assert trust["seed_noise"]["told"] in shown
    assert trust["sample_size"]["told"] in shown


def test_links_lead_only_to_sections_that_there_are(report, monkeypatch):
    monkeypatch.setattr(page, "_figures", lambda _: {})
    shown = Page(render(replace(report, trust=report.trust | {"front": None, "statistics": None})))
    links = {link["href"] for link in shown.of("a")}
    assert "#trust" in links
    assert not links & {"#cost", "#algorithms"}
    assert {f"#{section['id']}" for section in shown.of("section")} == links


@pytest.mark.parametrize(
    ("verdict", "tone"), [(DO_NOT_USE, "bad"), (SOUND, "good"), ("promising", "warning"), ("no trust figure", "warning")]
)
def test_verdict_has_its_tone(report, verdict, tone, monkeypatch):
    monkeypatch.setattr(page, "_figures", lambda _: {})
    shown = Page(render(replace(report, trust=report.trust | {"verdict": verdict})))
    assert [box["class"] for box in shown.of("div") if "verdict" in box.get("class", "")] == [f"verdict {tone}"]


def test_every_random_number_stands_with_its_draws_and_its_error(report, text):
    shuffled, permuted = (report.trust["null"][key] for key in ("shuffled_targets", "permuted_columns"))
    words = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    assert f"p = {number(shuffled['p'])} (exact, all 720 orders)" in words
    assert f"p = {number(permuted['p'])} ± {permuted['standard_error']:.2g} (200 draws)" in words
    assert f"at most {number(100 * 0.5 / 60**0.5)} %" in words  # of shares of 60 searches
    assert "none: all there are" in words
    assert "Intervals hold 95 % of 2,000 draws of the seeds" in words
    iqm = report.trust["statistics"]["algos"][0]["iqm"]
    assert f"{number(iqm['low'])} to {number(iqm['high'])} (± {number(iqm['bounds_standard_error'])})" in words
    point = report.trust["sample_size"]["points"][0]
    expected = [point["n_draws"], point["claimed_mse"], point["honest_mse"], point["honest_standard_error"]]
    assert " ".join(number(value) if isinstance(value, float) else str(value) for value in expected) in words


def test_p_is_shown_where_its_histogram_cannot_be_drawn(report):
    null = {"p": 1.0, "standard_error": 0.0, "n_draws": 9, "exact": False, "observed": 0.1, "draws": [None] * 9}
    shown = render(replace(report, trust=report.trust | {"null": {"shuffled_targets": null, "permuted_columns": None}}))
    assert "p = 1.00" in shown
    assert "(9 draws)" in shown
    assert len(Page(shown).of("svg")) == N_FIGURES - 1


def test_predictions_stand_with_their_intervals(text):
    assert "Bars are their 90 % intervals" in text
    assert "with 90 % interval" in text


def test_page_without_seeds_says_so(text):
    assert "no scores of single seeds were given" in text


def test_intervals_seeds_and_links_are_shown(found, make_report):
    env_id, algo = found.problem.env_ids[0], found.problem.algos
    seeds = seed_scores(
        {
            (env_id, algo[0]): Interval(12.5, 3.25, ((1, "https://wandb.ai/run?a=1&b=2"), (2, ""))),
            (env_id, algo[1]): Interval(8.0, None, ((1, ""),)),
            (env_id, algo[2]): Interval(np.nan, None, ((1, ""), (2, "")), "total_timesteps"),
        },
        "2 rows left out.",
    )
    shown = render(make_report(found, seeds=seeds))
    assert "12.5 ± 3.25" in shown
    assert 'n = 2, seeds <a href="https://wandb.ai/run?a=1&amp;b=2">1</a> 2' in " ".join(shown.split())
    assert "one seed, no interval" in shown
    assert "not averaged, seeds" in shown
    assert "2 rows left out." in shown


def test_seeds_that_all_score_the_same_have_no_interval(found, make_report):
    env_id, algo = found.problem.env_ids[0], found.problem.algos[0]
    shown = render(make_report(found, seeds=seed_scores({(env_id, algo): Interval(12.5, 0.0, ((1, ""), (2, "")))})))
    assert "12.5" in shown
    assert "± 0" not in shown


def test_the_ranking_says_how_many_subsets_there_are_beyond_it(found, make_report):
    assert "All 10 subsets of this size." in render(make_report(found))
    kept = replace(found, ranking=found.ranking[:4])
    assert "The first 4 of 4 in ranking.csv, of 10 subsets of this size that were searched." in render(make_report(kept))


def test_predictions_below_zero_are_told_to_be_so(report):
    said = "A true score below 0 counts as 0."
    (first, *others), above = report.trust["held_out"], {"predicted_y": 1.0, "low_y": 0.5}
    others = [{**one, **above} for one in others]
    for low, told in ((0.5, False), (-0.5, True)):
        shown = render(replace(report, trust=report.trust | {"held_out": [{**first, **above, "low_y": low}, *others]}))
        assert (said in shown) == told


def test_where_each_training_has_one_point_a_sentence_stands_for_the_curve(report):
    algo = report.found.problem.algos[0]
    flat, curve = (LearningCurves(name, np.arange(2.0), {algo: np.arange(2.0)}, 3, n) for name, n in (("Flat", 1), ("Curve", 2)))
    shown = render(replace(report, trainings=Trainings(SEEDS, (flat, curve))))
    assert "There is no curve to draw in Flat: " in shown
    assert "over seeds (3 trainings)" in shown
    alone = render(replace(report, trainings=Trainings(SEEDS, (flat,))))
    assert "There is no curve to draw in Flat: " in alone
    assert len(Page(alone).of("svg")) == N_FIGURES


def test_algorithms_that_are_not_averaged_are_named_where_the_curves_are(report):
    algo = report.found.problem.algos[0]
    some = LearningCurves("Some", np.arange(2.0), {algo: np.arange(2.0)}, 3, 2, ("a2c", "<b>sac</b>"))
    none = LearningCurves("None", np.zeros(2), {}, 0, 0, ("a2c",))
    said = (
        "trainings that differ in budget or hyperparameters are not averaged: a2c, &lt;b&gt;sac&lt;/b&gt; in Some; a2c in None."
    )
    shown = render(replace(report, trainings=Trainings(SEEDS, (some, none))))
    assert said in shown
    assert "There is no curve to draw" not in shown
    alone = render(replace(report, trainings=Trainings(SEEDS, (none,))))
    assert "not averaged: a2c in None." in alone
    assert "Learning curves in the chosen environments" in alone


def test_subset_of_every_environment_and_one_size_still_make_a_page(search_table, make_report):
    shown = render(make_report(search_table(np.arange(10.0, 70.0, 10.0)[:, None], 1)))
    assert "there is no other" in shown
    assert "and all smaller ones" not in shown
    assert "1 subset in all, too few to tell." in shown
    assert len(Page(shown).of("svg")) == 4


def test_table_of_almost_only_zeros_makes_a_page_without_a_warning(search_table, make_report):
    scores = np.zeros((6, 3))
    scores[0] = 50.0
    assert len(Page(render(make_report(search_table(scores, 2)))).of("svg")) == 6


def test_page_where_no_algorithm_could_be_tested_claims_no_test(report):
    predicted = ("predicted_y", "low_y", "high_y", "predicted_score", "relative_error")
    held_out = [{**one, **dict.fromkeys(predicted)} for one in report.trust["held_out"]]
    honest = dict.fromkeys(report.trust["honest"]) | {"n_predicted": 0, "n_closer": 0, "n_distinct_subsets": 6}
    trust = {"held_out": held_out, "honest": honest, "no_figure": "None.", "interval_level": None}
    shown = render(replace(report, trust=report.trust | trust))
    assert "No honest error can be given." in shown
    assert "left out once" not in shown
    assert "diamonds" not in shown


def test_page_counts_the_algorithms_that_were_predicted(text):
    assert "The subsets found then predicted 6 of 6." in text


def test_page_of_62_algorithms_and_57_environments_with_links_is_smaller_than_2_megabytes(search_table, make_report, full_trust):
    found = search_table(10 ** np.random.default_rng(0).normal(1.3, 0.4, (62, 57)), 1)
    link = "https://wandb.ai/entity/project/runs/0123abcd"
    interval = Interval(12.345, 0.678, tuple((seed, link) for seed in (111, 222, 333, 444)))
    seeds = seed_scores({(env_id, algo): interval for env_id in found.problem.env_ids for algo in found.problem.algos})
    made = make_report(found, seeds=seeds)
    shown = render(replace(made, trust=full_trust(made.trust, found.problem)))
    assert len(Page(shown).of("svg")) == N_FIGURES - 1  # one size makes no curve
    assert len(shown.encode()) < 2_000_000


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_has_contrast_in_light_and_dark():
    template = (TEMPLATES / "style.css").read_text()
    themes = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{([^}]*)\}", template)]
    assert len(themes) == 2
    for theme in themes:
        for text in ("ink", "muted", "first", "second", "third", "fourth", "good", "bad", "warning"):
            for ground in ("page", "panel"):
                low, high = sorted(luminance(theme[name]) for name in (text, ground))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


def test_a_grid_that_is_not_complete_and_scores_that_are_newer_are_told_beside_the_verdict(report):
    grid = Completeness(("X",), ("ppo",), {("X", "ppo"): 3}, {("X", "ppo"): 1}, (("b/X/ppo/1", "failed: x"), ("b/X/ppo/2", "y")))
    seeds = replace(SEEDS, is_newer=True)
    shown = render(replace(report, trainings=Trainings(seeds, grid=grid))).partition("</header>")[0]
    assert "The grid is not complete: 2 of its 3 trainings have no score." in shown
    assert "collect and search again" not in shown
    late = replace(grid, lacking=(grid.lacking[0], ("b/X/ppo/2", f"{NOT_COLLECTED}: its result came later")))
    told = Trainings(seeds, grid=late).warnings()
    assert told[:2] == [
        "The table of scores lacks 1 result of the grid: collect and search again.",
        "The grid is not complete: 1 of its 3 trainings have no score.",
    ]
    assert len(Trainings(SEEDS, grid=replace(grid, lacking=late.lacking[1:])).warnings()) == 1
    assert "The scores are not those that were searched: search again." in shown
    assert Trainings(SEEDS, grid=replace(grid, lacking=())).warnings() == []


def test_budgets_that_differ_among_algorithms_are_told_beside_the_verdict(report):
    seeds = replace(SEEDS, unequal=("X: 1,000 (a2c) and 6,000 (ppo)",))
    shown = render(replace(report, trainings=Trainings(seeds))).partition("</header>")[0]
    assert "different numbers of agent steps, and are compared all the same. X: 1,000 (a2c) and 6,000 (ppo)." in shown


def test_a_reference_that_has_not_converged_is_told_beside_the_verdict(report):
    seeds = replace(SEEDS, unconverged=("X", "<b>Y"))
    shown = render(replace(report, trainings=Trainings(seeds))).partition("</header>")[0]
    assert (
        "The reference had not converged when its budget ended, on X, &lt;b&gt;Y: 100 means what it had reached by then." in shown
    )
