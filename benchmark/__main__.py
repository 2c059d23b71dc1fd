"""``python -m benchmark`` is ``fer-bench``."""

import os
import sys

# `-m` looks into the working directory first, where a `statistics.py` would stand for Python's own.
try:
    if sys.path[0] == os.getcwd():
        del sys.path[0]
except OSError:  # the folder is gone, and Python has left it out
    pass

from benchmark.cli import main

main()
