"""The commands of ``fer-bench``, one module each, imported when they are called."""
