"""An SVG file made a part of a page."""

import pytest

from rlhpc.report.svg import FIRST, INK, inline, titled

FILE = (
    '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "x" "http://www.w3.org/x.dtd">\n<svg xmlns="http://www.w3.org/2000/svg" '
    'width="10pt" viewBox="0 0 10 20" version="1.1"><g id="a"><path style="fill: #010206; stroke: #010203"/>'
    '<use xlink:href="#a" clip-path="url(#b)"/></g></svg>\n'
)


def test_header_and_size_are_gone_and_the_frame_stays():
    svg = inline(FILE, "name", "what it shows")
    assert svg.startswith('<svg viewBox="0 0 10 20" role="img" aria-label="what it shows">')
    assert svg.endswith("</svg>")
    assert "http" not in svg


def test_colours_become_those_of_the_page():
    svg = inline(FILE, "name", "label")
    assert 'style="fill: var(--first); stroke: currentColor"' in svg
    assert FIRST not in svg
    assert INK not in svg


def test_ids_and_their_uses_get_the_name_of_the_figure():
    svg = inline(FILE, "name", "label")
    assert all(text in svg for text in ('id="name-a"', 'href="#name-a"', "url(#name-b)"))


def test_coordinates_are_cut_to_a_hundredth_of_a_point_and_texts_are_not():
    drawn = FILE.replace("/><use", "/><use").replace(
        '<g id="a">', '<g id="a"><path d="M 1.23456 -0.5 L 7.891 10"/><text>0.123456</text>'
    )
    svg = inline(drawn, "name", "0.98765")
    assert 'd="M 1.23 -0.5 L 7.89 10"' in svg
    assert "<text>0.123456</text>" in svg
    assert 'aria-label="0.98765"' in svg


def test_label_is_escaped():
    assert 'aria-label="&lt;b&gt; &quot;x&quot; \\1"' in inline(FILE, "name", '<b> "x" \\1')


def test_markers_get_their_titles_as_text_in_order_and_others_none():
    use = '<use xlink:href="#m"/>'
    svg = titled(f'<svg>{use}<g id="named-0">{use}<g>{use}</g></g>{use}</svg>', "named-0", ["<script>", "b & c"])
    marked = '<use xlink:href="#m"><title>{}</title></use>'
    first, second = marked.format("&lt;script&gt;"), marked.format("b &amp; c")
    assert svg == f'<svg>{use}<g id="named-0">{first}<g>{second}</g></g>{use}</svg>'


def test_titles_without_markers_are_refused():
    with pytest.raises(ValueError, match="named-0 has 0 shapes for 1 titles"):
        titled('<svg><g id="named-0"></g></svg>', "named-0", ["a"])
