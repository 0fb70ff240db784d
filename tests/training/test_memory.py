import subprocess
import sys

USE = """
import resource, sys
import numpy as np
from rlhpc.training import memory
if sys.argv[1] == "keep":
    memory.keep_what_is_freed()
n_bytes, pages = 24 << 20, []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    several = [np.ones(n_bytes, np.uint8) for _ in range(2)]
    del several
    pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sum(pages[2:]))
"""


def n_faults(how):
    """Count the pages that are fetched from the kernel for arrays that are made and freed again and again."""
    return int(subprocess.run([sys.executable, "-c", USE, how], capture_output=True, text=True, check=True).stdout)


def test_arrays_that_are_made_again_take_no_new_memory_of_the_kernel():
    assert n_faults("keep") < n_faults("give back") / 10
