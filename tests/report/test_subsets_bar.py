import io
import sys

from rlhpc.report.subsets_bar import subsets_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_nothing_is_written_into_a_log_before_ten_minutes(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with subsets_bar(10) as advance:
        advance(10)
    assert sys.stderr.getvalue() == ""


def test_a_log_has_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr("rlhpc.report.subsets_bar.SECONDS_OF_A_LINE", 1e-9)
    with subsets_bar(4000) as advance:
        for _ in range(3):
            advance(1000)
    assert [line.split(" [")[0] for line in sys.stderr.getvalue().splitlines()] == [
        "25% 1.00k/4.00k",
        "50% 2.00k/4.00k",
        "75% 3.00k/4.00k",
    ]


def test_a_terminal_shows_a_bar_of_all_subsets(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("rlhpc.report.subsets_bar.SECONDS_UNTIL_SHOWN", 0)
    with subsets_bar(2000) as advance:
        advance(1000)
    assert "/2.00k" in sys.stderr.getvalue()
