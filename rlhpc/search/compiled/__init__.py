"""The pieces of the search that are compiled; NumPy arrays in, NumPy arrays out.

::

    jit.py            how functions are compiled, and where that is stored
    lanes.py          one number of each of several folds, added and multiplied at once
    order.py          subsets in the order of the search: rank, unrank, next
    table.py          what a search reads: scores laid out by folds
    work.py           what a search writes on
    rows.py           which rows a subset has, and what a fold of them weighs
    moments.py        cross-products of columns, and the sweep that regresses all columns on one
    last_complete.py  errors of subsets whose last column has every score
    last_gappy.py     errors of subsets whose columns but the last have gaps
    least_squares.py  one regression, exactly, also where columns are collinear
    exact.py          errors and fits of single subsets by it
    tally.py          the best so far, and a histogram of all

`rlhpc.search.kernel` puts them together, and says what is computed.
"""
