import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.errors import DatasetError
from rlhpc.results.table import read_csv, write_csv


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    return read_csv(path)


def test_byte_order_mark_stray_spaces_and_blank_lines_are_fine(tmp_path):
    read = table(tmp_path, "\ufeff a , b \r\n\r\n 1 ,x y \r\n ,\r\n2,z\r\n")
    assert read.columns == ("a", "b")
    assert [row.cells for row in read.rows] == [{"a": "1", "b": "x y"}, {"a": "2", "b": "z"}]
    assert [row.line for row in read.rows] == [3, 5]


def test_a_folder_is_no_table_and_those_in_it_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"is a folder, and a table is wanted\. It holds no CSV file\."):
        read_csv(tmp_path)
    for name in ("dataset.csv", "other.txt", "scores.csv"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"Did you mean '.*/dataset\.csv' or '.*/scores\.csv'\?"):
        read_csv(tmp_path)


@pytest.mark.parametrize("text", ["", "NA", "n/a", "NaN", "null", "None", "  "])
def test_spellings_of_a_missing_number_are_nan(tmp_path, text):
    read = table(tmp_path, f"a,b\n{text},1\n")
    assert math.isnan(read.number(read.rows[0], "a"))
    assert read.faults == []


@pytest.mark.parametrize("text", ["abc", "1_000", "1 000", '"1,5"', "12%", "-"])
def test_text_where_a_number_belongs_names_line_column_and_value(tmp_path, text):
    read = table(tmp_path, f"a,b\n1,2\n{text},1\n")
    read.number(read.rows[1], "a")
    with pytest.raises(DatasetError, match=r"'t\.csv', line 3, column 'a': '.*' is not a number"):
        read.check()


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e999"])
def test_infinity_is_a_fault(tmp_path, text):
    read = table(tmp_path, f"a\n{text}\n")
    read.number(read.rows[0], "a")
    assert "is infinite" in read.faults[0]


@pytest.mark.parametrize("text", ["1.5", "x", "", "1_0"])
def test_a_seed_must_be_whole(tmp_path, text):
    read = table(tmp_path, f"a,b\n{text},1\n")
    read.integer(read.rows[0], "a")
    assert "is not a whole number" in read.faults[0]


def test_the_shape_of_the_file_is_checked_all_at_once(tmp_path):
    with pytest.raises(DatasetError) as caught:
        table(tmp_path, "a,,b,b\n1,2,3\n1,2,3,4\n1,2,3,4,5\n")
    assert caught.value.faults == (
        "'t.csv': column 2 has no name.",
        "'t.csv': 2 columns are named 'b'.",
        "'t.csv', line 2: 3 cells where the header has 4.",
        "'t.csv', line 4: 5 cells where the header has 4.",
    )


@pytest.mark.parametrize("text", ["", "\n\n", "a,b\n"])
def test_a_file_without_rows_is_refused(tmp_path, text):
    with pytest.raises(DatasetError, match="holds no scores"):
        table(tmp_path, text)


@pytest.mark.parametrize(("text", "encoding"), [("a\nü\n", "latin-1"), ('a,b\n"x"y,1\n', "utf-8"), ('a,b\n"x,1\n', "utf-8")])
def test_a_file_that_is_not_csv_is_refused(tmp_path, text, encoding):
    with pytest.raises(DatasetError, match="is not a CSV file in UTF-8"):
        table(tmp_path, text, encoding)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"cannot read the table '.*absent\.csv': No such file"):
        read_csv(tmp_path / "absent.csv")


@given(
    number=st.floats(allow_nan=False, allow_infinity=False),
    text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),  # no control characters in a name
)
def test_what_is_written_is_read_back_exactly(tmp_path_factory, number, text):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    name = f"x{text}x"  # surrounding spaces are not part of a name
    read = read_csv(write_csv(path, [name], [[number]]))
    assert read.columns == (name,)
    assert read.number(read.rows[0], name) == number


def test_none_and_nan_are_written_as_empty_cells(tmp_path):
    path = write_csv(tmp_path / "t.csv", ["a", "b", "c"], [[None, math.nan, True]])
    assert path.read_text() == "a,b,c\n,,True\n"
