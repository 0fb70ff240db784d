"""SVG text made a part of a page: ids of its own, the page's colours, a label."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence

# Colours that nothing else has, exchanged for the page's own, light or dark, once drawn.
INK, MUTED, LINE, FIRST, SECOND, PAGE = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
THIRD, FOURTH = "#010209", "#01020a"
PAGE_COLOURS = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    PAGE: "var(--page)",
    THIRD: "var(--third)",
    FOURTH: "var(--fourth)",
}


def titled(svg: str, group: str, titles: Sequence[str], shape: str = "use") -> str:
    """Give the shapes of a group titles, which browsers show where the mouse rests on one.

    Parameters
    ----------
    svg : str
    group : str
        Id of what holds the shapes.
    titles : sequence of str
        One for each shape, in order.
    shape : str
        ``use`` for markers, ``path`` for a bar.

    Raises
    ------
    ValueError
        If there are fewer shapes.
    """
    before, opening, behind = svg.partition(f'<g id="{group}">')
    marked, n_marked = re.subn(rf"<({shape}) ([^>]*)/>", _with_title(iter(titles)), behind, count=len(titles))
    if n_marked < len(titles):
        raise ValueError(f"{group} has {n_marked} shapes for {len(titles)} titles")
    return f"{before}{opening}{marked}"


def _with_title(titles: Iterator[str]) -> Callable[[re.Match[str]], str]:
    return lambda shape: f"<{shape[1]} {shape[2]}><title>{html.escape(next(titles))}</title></{shape[1]}>"


def inline(svg: str, name: str, label: str) -> str:
    """Return a whole SVG file as one element for a page.

    Parameters
    ----------
    svg : str
        The file, drawn in the colours above.
    name : str
        Set before every id, so that no two figures of a page share one.
    label : str
        What the figure shows, for those who do not see it.
    """
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), svg)  # a hundredth of a point is not seen
    svg = re.sub("|".join(PAGE_COLOURS), lambda found: PAGE_COLOURS[found[0]], svg)
    frame = re.search(r'viewBox="[^"]*"', svg)
    if frame is None:
        raise ValueError(f"no viewBox in {svg[:200]!r}")
    opening = f'<svg {frame[0]} role="img" aria-label="{html.escape(label)}">'
    return re.sub(r"<svg[^>]*>", lambda _: opening, svg, count=1)
