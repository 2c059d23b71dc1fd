"""What this machine does in a second: every number a ratio taken within one run."""

PARTS = ("peak", "train", "methods", "reference", "augment", "sweep", "memory", "gpu")
"""The modules of this package that measure; each has ``measure(setting) -> Findings``.

Where a machine may lack what it takes, ``missing()`` says what, or None.
"""
