"""The report in a real browser: light and dark, on a phone, printed, by keyboard; of a grid of three trainings and of 4,560."""

import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import sync_playwright

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"  # to be looked at
GRIDS = {"small": (1, 3, 1), "large": (38, 30, 4)}  # environments, algorithms, seeds
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}  # contrast, names and labels among them
PHONE = {"width": 390, "height": 844}


def table(path, n_envs, n_algos, n_seeds):
    """Write scores of single seeds beside their trainings, as collect_scores.py does; one training more was launched."""
    generator = np.random.default_rng(1)
    rows = ["env_id,benchmark,action_space,algo,seed,score,random_score,reference_score,wandb_url,folder"]
    names = ["b0/Game00-v0/algo00/99"]
    for env, algo in itertools.product(range(n_envs), range(n_algos)):
        for seed, score in enumerate(generator.normal(10 + algo, 5, n_seeds)):
            names.append(f"b{env % 2}/Game{env:02d}-v0/algo{algo:02d}/{seed}")
            folder = f"trainings/{names[-1]}"
            rows.append(f"Game{env:02d}-v0,b{env % 2},Discrete,algo{algo:02d},{seed},{score:.3f},0,100,,{folder}")
            steps = np.sort(generator.integers(1, 100_000, 300))
            episodes = np.column_stack([steps, score * steps / 100_000 + generator.normal(0, 3, 300), np.full(300, 9)])
            (path.parent / folder).mkdir(parents=True)
            head = "timesteps,episode_score,episode_length"
            np.savetxt(path.parent / folder / "learning_curve.csv", episodes, "%g", ",", header=head, comments="")
    path.write_text("\n".join(rows) + "\n")
    (path.parent / "grid.json").write_text(json.dumps(names))


@pytest.fixture(scope="module", params=GRIDS)
def page_of(request, tmp_path_factory):
    """Search a table and report on it; return its size, and where the page lies."""
    folder = tmp_path_factory.mktemp(request.param)
    table(folder / "scores.csv", *GRIDS[request.param])
    for job, *words in (
        ("subset_search", folder / "scores.csv", "--subset-size", min(2, GRIDS[request.param][0]), "--out", folder),
        ("subset_report", folder, "--scores", folder / "scores.csv"),
    ):
        command = [sys.executable, f"jobs/{job}.py", *map(str, words)]
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return request.param, (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("absent: Chromium")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as started:
        launched = started.chromium.launch(executable_path=program, args=flags)
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser, page_of):
    """Open the report; what the browser complains of fails the test."""
    complaints, opened = [], []

    def open_one(**options):
        page = browser.new_page(**options)
        page.set_default_timeout(120_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if request.url != page_of[1] else None)
        page.goto(page_of[1])
        opened.append(page)
        return page

    yield open_one
    for page in opened:
        page.close()
    assert [each for each in complaints if each != "data:,"] == []  # its icon


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_it_has_contrast_and_names_for_everything(open_page, page_of, scheme):
    page = open_page(color_scheme=scheme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report-{page_of[0]}-{scheme}.png", full_page=True)
    violations = Axe().run(page, options=RULES).response["violations"]
    assert [(found["id"], found["nodes"][0]["html"]) for found in violations] == []


def test_curves_and_what_is_missing_are_shown(open_page, page_of):
    page, (_, n_algos, _) = open_page(), GRIDS[page_of[0]]
    assert page.locator("#scores figure svg[aria-label*='agent steps']").count() == 1
    marks = page.locator("#grid svg use title")
    assert marks.count() == GRIDS[page_of[0]][0] * n_algos
    n_seeds = GRIDS[page_of[0]][2]
    assert f"algo00, Game00-v0: {n_seeds} of {n_seeds + 1} trainings have a score" in marks.all_text_contents()
    assert page.locator("#grid tbody tr").all_inner_texts() == ["b0/Game00-v0/algo00/99\tnever begun"]
    page.locator("#grid").screenshot(path=SCREENSHOTS / f"report-{page_of[0]}-grid.png")
    page.locator("#scores figure").first.screenshot(path=SCREENSHOTS / f"report-{page_of[0]}-curves.png")


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page, page_of):
    page = open_page(viewport=PHONE)
    page.screenshot(path=SCREENSHOTS / f"report-{page_of[0]}-phone.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_table_wider_than_the_text_takes_the_margins_of_the_window(open_page, page_of):
    width = 1_700
    page = open_page(viewport={"width": width, "height": 900})
    boxes = page.locator(".scroll").all()
    text = page.locator("h1").bounding_box()
    beyond = [box for each in boxes if (box := each.bounding_box()) and box["width"] > text["width"]]
    assert len(beyond) >= (page_of[0] == "large")
    for box in beyond:
        assert box["x"] > 0
        assert abs(box["x"] + box["width"] / 2 - width / 2) < 20  # centred, but for a scroll bar
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_shadow_shows_where_a_table_goes_on_sideways(open_page, scheme):
    page = open_page(viewport=PHONE, color_scheme=scheme)
    scroll = page.get_by_role("region", name="Ranking of subsets")
    before = edge_of(scroll)
    scroll.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(50)
    at_its_end = "scroll => scroll.scrollLeft + scroll.clientWidth >= scroll.scrollWidth - 1"
    page.wait_for_function(at_its_end, arg=scroll.element_handle())
    assert before - edge_of(scroll) > 30  # of 255


def edge_of(scroll):
    """Return by how much the right edge of a box differs from what lies a little further left of it, below its first row."""
    pixels = np.asarray(Image.open(io.BytesIO(scroll.screenshot())).convert("L"), dtype=float)
    row = scroll.locator("tbody tr").first.bounding_box()
    line = pixels[int(row["y"] + row["height"] - scroll.bounding_box()["y"]) - 4]
    return abs(line[-3] - line[-24])


def test_it_prints_whole_without_what_is_for_screens(open_page, page_of, tmp_path):
    page = open_page()
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.locator(".filter:visible").count() == 0
    assert page.locator("details table").first.is_visible() or page.locator("details").count() == 0
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000


def column(rows, place):
    return rows.evaluate_all("(rows, place) => rows.map(row => Number(row.cells[place].dataset.sort))", place)


def soon(page, look, wanted):
    """Look at a page until it shows what is wanted, for half a minute at most; return what it shows then."""
    for _ in range(600):
        if look() == wanted:
            break
        page.wait_for_timeout(50)
    return look()


def test_a_table_is_sorted_by_a_click_and_by_the_keyboard(open_page, page_of):
    page = open_page()
    scores = page.locator("#scores table").first
    head, rows = scores.locator("thead th").nth(2), scores.locator("tbody tr")
    if page_of[0] == "small":  # one row
        assert "sortable" not in (scores.get_attribute("class") or "")
        return
    values = sorted(column(rows, 2))
    assert len(values) == GRIDS[page_of[0]][0]
    head.click()
    page.wait_for_function("document.querySelector('#scores [aria-sort=descending]')")
    assert soon(page, lambda: column(rows, 2), values[::-1]) == values[::-1]
    head.focus()
    page.keyboard.press("Enter")
    assert soon(page, lambda: column(rows, 2), values) == values


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.15905e+06", 1159050), ("1.2e-05 %", 1.2e-05), ("\N{MINUS SIGN}1,234 ± 5", -1234), ("∞", float("inf"))],
)
def test_numbers_are_sorted_by_what_they_say(open_page, text, value):
    assert open_page().evaluate("text => Number(number(text))", text) == value


def test_a_long_table_is_filtered_by_names(open_page, page_of):
    page = open_page()
    filters = page.locator("#scores > .filter input")
    if page_of[0] == "small":
        assert filters.count() == 0
        return
    filters.fill("game1")
    rows = page.locator("#scores table").first.locator("tbody tr:visible")
    names = rows.evaluate_all("rows => rows.map(row => row.cells[0].textContent.slice(0, 6))")
    assert sorted(names) == [f"Game1{number}" for number in range(10)]
    assert page.locator("#scores > .filter output").text_content() == "10 of 38"


def test_without_scripts_everything_is_there(open_page, page_of):
    page = open_page(java_script_enabled=False)
    assert page.locator("#scores table").first.locator("tbody tr:visible").count() == GRIDS[page_of[0]][0]
    assert page.locator(".filter").count() == 0
