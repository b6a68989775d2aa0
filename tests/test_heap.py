"""What is given back is kept by the process, where the C library is one that can be told."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from hepad.heap import keep_freed_memory
if len(sys.argv) > 1 and not keep_freed_memory():
    sys.exit(3)
import numpy as np
for _ in range(60):
    held = [np.ones(1 << 19) for _ in range(3)]
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def test_pages_are_not_asked_for_again() -> None:
    commands = [[sys.executable, "-c", FAULTS, *word] for word in ([], ["keep"])]
    found = [subprocess.run(command, capture_output=True, check=False) for command in commands]
    if found[1].returncode == 3:
        pytest.skip("not glibc")
    without, kept = (int(one.stdout) for one in found)
    assert kept + 60 * 3 * (1 << 22) // resource.getpagesize() / 4 < without
