"""The paper's own numbers as data, and whether they agree with each other."""
