"""The page: self-contained, escaped, accessible, the same each time, and never a subset without its honest error."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape

import rlhpc.search
from rlhpc.report import page
from rlhpc.report.page import render
from rlhpc.report.search_folder import SearchFolder, read_search
from rlhpc.report.search_input import search_input
from rlhpc.report.search_record import search_record
from rlhpc.report.search_writer import write_search
from rlhpc.report.seeds import Interval, SeedScores
from rlhpc.report.trust_record import trust_record
from rlhpc.results.dataset import read_table
from rlhpc.search import Settings
from rlhpc.search.trust import hold_out_each

VOID = {"meta", "link", "br", "img", "hr", "input"}
LOADING = {"src", "srcset", "data", "action", "poster", "background", "formaction", "manifest"}
SEEDS = SeedScores({}, ("<i>a note</i>",))


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


@pytest.fixture
def text(found, make_report):
    return render(make_report(found))


def test_same_report_gives_the_same_bytes(found, make_report, text):
    assert render(make_report(found)) == text


def test_page_loads_nothing(text):
    parsed = Page(text)
    assert not parsed.of("script", "img", "iframe", "object", "embed", "base", "form")
    for tag, attributes in parsed.tags:
        assert not LOADING & attributes.keys(), tag
        assert all(not name.startswith("on") for name in attributes), tag
    assert [link["href"] for link in parsed.of("link")] == ["data:,"]
    assert not re.search(r"@import|url\((?!#)", text)
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", text))
    policy = next(meta["content"] for meta in parsed.of("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


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


def test_names_with_markup_are_shown_as_text(found, make_report, text):
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(&#39;env&#39;)&lt;/script&gt;" in text
    assert "<b>sac" not in text
    assert "<i>a note" not in render(make_report(found, seeds=SEEDS))


def test_page_has_language_title_and_headings_in_order(text):
    parsed = Page(text)
    assert parsed.of("html") == [{"lang": "en"}]
    assert len(parsed.of("title")) == len(parsed.of("h1")) == len(parsed.of("main")) == 1
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert all(later - earlier <= 1 for earlier, later in zip([0, *levels], levels, strict=False))


def test_tables_scroll_in_boxes_that_a_keyboard_reaches(text):
    parsed = Page(text)
    boxes = [attributes for attributes in parsed.of("div") if attributes.get("class", "").startswith("scroll")]
    assert len(boxes) == len(parsed.of("table")) >= 8
    assert all((box["tabindex"], box["role"]) == ("0", "region") and box["aria-label"] for box in boxes)


def test_figures_have_labels_and_captions(text):
    parsed = Page(text)
    assert len(parsed.of("svg")) == len(parsed.of("figure")) == len(parsed.of("figcaption")) == 5
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in parsed.of("svg"))


def test_honest_error_stands_with_the_subset(found, make_report):
    report = make_report(found)
    shown = render(report)
    verdict = shown[: shown.index('id="searched"')]
    assert len(found.ranking[0].subset) == 2
    assert all(f'<span class="name">{escape(name)}</span>' in verdict for name in found.ranking[0].subset)
    assert f"<td>{page.tables.number(report.trust['honest']['mse'])}</td>" in verdict
    assert report.trust["sentences"][0].split(":")[-1].split(",")[0] in verdict


def test_page_without_an_honest_error_says_why_everywhere(found, make_report):
    shown = render(make_report(found, no_figure="There are only three."))
    assert shown.count("There are only three.") == 2
    assert "The honest error of taking the first is not known." in shown
    assert "No trust figure" in shown


def test_page_without_seeds_says_so(text):
    assert "no scores of single seeds were given" in text


def test_intervals_seeds_and_links_are_shown(found, make_report):
    env_id, algo = found.problem.env_ids[0], found.problem.algos
    seeds = SeedScores(
        {
            (env_id, algo[0]): Interval(12.5, 3.25, ((1, "https://wandb.ai/run?a=1&b=2"), (2, ""))),
            (env_id, algo[1]): Interval(8.0, None, ((1, ""),)),
            (env_id, algo[2]): Interval(np.nan, None, ((1, ""), (2, "")), "total_timesteps"),
        },
        ("2 rows left out.",),
    )
    shown = render(make_report(found, seeds=seeds))
    assert "12.5 ± 3.25" in shown
    assert 'n = 2, seeds <a href="https://wandb.ai/run?a=1&amp;b=2" rel="noreferrer">1</a> 2' in " ".join(shown.split())
    assert "one seed, no interval" in shown
    assert "not averaged, seeds" in shown
    assert "2 rows left out." in shown


@pytest.fixture
def search_table(tmp_path):
    """Search a table of scores, shape (n_algos, n_envs)."""

    def search(scores, subset_size):
        table = tmp_path / "table.csv"
        lines = ["env_id,benchmark,action_space,algo,seed,score,random_score,reference_score"]
        lines += [f"Env {env},b,Discrete,a{algo},1,{score},0,100" for (algo, env), score in np.ndenumerate(scores)]
        table.write_text("\n".join(lines))
        given, settings, folder = search_input(table, read_table(table)), Settings(subset_size), SearchFolder(tmp_path)
        best = rlhpc.search.search(given.problem, settings)
        write_search(search_record(given, settings, best), given.problem, folder)
        return read_search(folder)

    return search


def test_subset_of_every_environment_and_one_size_still_make_a_page(search_table, make_report):
    shown = render(make_report(search_table(np.arange(10.0, 70.0, 10.0)[:, None], 1)))
    assert "there is no other" in shown
    assert len(Page(shown).of("svg")) == 3


def test_table_of_almost_only_zeros_makes_a_page_without_a_warning(search_table, make_report):
    scores = np.zeros((6, 3))
    scores[0] = 50.0
    assert len(Page(render(make_report(search_table(scores, 2)))).of("svg")) == 5


def test_page_where_no_algorithm_could_be_tested_claims_no_test(found, make_report):
    report = make_report(found)
    held_outs = hold_out_each(found.problem, found.settings)
    unknown = {key: tuple(replace(one, predicted=np.nan) for one in ones) for key, ones in held_outs.items()}
    shown = render(replace(report, trust=trust_record(found, unknown, "")))
    assert "No honest error can be given." in shown
    assert "left out once" not in shown
    assert "diamonds" not in shown


def test_page_counts_the_algorithms_that_were_predicted(text):
    assert "The subsets found then predicted 6 of 6." in text


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_has_contrast_in_light_and_dark():
    template = (Path(page.__file__).parent / page.TEMPLATE).read_text()
    themes = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{([^}]*)\}", template)]
    assert len(themes) == 2
    for theme in themes:
        for text in ("ink", "muted", "first", "second", "good", "bad", "warning"):
            for ground in ("page", "panel"):
                low, high = sorted(luminance(theme[name]) for name in (text, ground))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)
