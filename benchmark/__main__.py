"""``python -m benchmark`` is ``fer-bench``."""

from benchmark.cli import main

main()
