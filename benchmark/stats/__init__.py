"""Statistics as pure functions of arrays: accuracies, paired differences, tests and intervals."""

ALPHA = 0.05
"""Significance level of every test: a p-value up to it, adjusted by Holm, tells two numbers apart.

Source: the field's usual level (Fisher, Statistical Methods for Research Workers, 1925)."""

CONFIDENCE = 0.95
"""Confidence level of every interval, 1 - ALPHA, so that intervals and single tests agree."""
