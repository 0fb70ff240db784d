"""Draw the README's pictures: the demo is trained, looked at on its way, and its report photographed. About 3 minutes.

    make pictures

Needs Chromium (Debian: apt-get install chromium) beside what `make install` brings. Writes status.svg and report.png here.
"""

import dataclasses
import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from rlhpc.cluster.recent import RecentQueue
from rlhpc.files import user_cache
from rlhpc.results.store import Store
from rlhpc.status.look import Looker
from rlhpc.status.state import State
from rlhpc.status.view import view

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TITLE = "python jobs/status.py logs/demo --watch"
COLUMNS, LINES = 100, 27
SHARE_DONE = 0.4  # of the trainings, when it is looked at
WINDOW = "1180,900"  # pixels


def job(name: str, *words: object) -> list[str]:
    """Return the command line of a job."""
    return [sys.executable, f"jobs/{name}.py", *map(str, words)]


def draw_status(folder: Path, launch: subprocess.Popen[bytes]) -> None:
    """Wait until some of the demo is done, and draw what its user then sees."""
    looker = Looker(Store(folder), RecentQueue(user_cache()))
    while launch.poll() is None:
        time.sleep(2)
        shown = looker.look() if (folder / "grid.json").exists() else None
        if shown and shown.total.steps_per_second and shown.total.counts[State.DONE] >= SHARE_DONE * shown.total.n:
            break
    else:
        raise SystemExit("the demo does not come to a state worth a picture")
    console = Console(width=COLUMNS, height=LINES, record=True, file=io.StringIO(), force_terminal=True)
    console.print(view(dataclasses.replace(shown, folder=Path("logs/demo")), console))
    drawn = console.export_svg(
        title=TITLE, code_format=re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    )
    (HERE / "status.svg").write_text(drawn)


def draw_report(folder: Path) -> None:
    """Collect, search and report, and photograph the page."""
    subprocess.run(job("collect_scores", folder), cwd=ROOT, check=True)
    search = ("--subset-size", 2, "--out", folder, "--costs", folder / "scores.csv")
    subprocess.run(job("subset_search", folder / "dataset.csv", *search), cwd=ROOT, check=True)
    subprocess.run(job("subset_report", folder, "--scores", folder / "scores.csv"), cwd=ROOT, check=True)
    flags = (
        "--headless=new",
        "--no-sandbox",
        "--hide-scrollbars",
        f"--window-size={WINDOW}",
        f"--screenshot={HERE / 'report.png'}",
    )
    subprocess.run([chromium(), *flags, (folder / "report.html").as_uri()], check=True)


def chromium() -> str:
    """Return the program that photographs pages."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise SystemExit("Chromium is not on PATH: it photographs the report (Debian: apt-get install chromium)")
    return found


def main() -> None:
    """Draw both."""
    chromium()
    with tempfile.TemporaryDirectory(prefix="rlhpc-pictures-") as made:
        command = job("launch_training", "--config", "configs/demo.yaml", "--cluster", "local", f"logs_dir={made}")
        with subprocess.Popen(command, cwd=ROOT) as launch:
            draw_status(Path(made, "demo"), launch)
        if launch.returncode:
            raise SystemExit(launch.returncode)
        draw_report(Path(made, "demo"))


if __name__ == "__main__":
    main()
