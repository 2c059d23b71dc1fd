"""Training and evaluation: the only place that knows of devices."""
