import os

import pytest

from rlhpc.threads import usual_threads


@pytest.mark.parametrize(("variable", "n"), [("3", 3), ("0", None), ("many", None), ("", None), (None, None)])
def test_the_usual_variable_goes_before_the_cpus_that_we_may_run_on(monkeypatch, variable, n):
    if variable is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert usual_threads() == (n or len(os.sched_getaffinity(0)))
