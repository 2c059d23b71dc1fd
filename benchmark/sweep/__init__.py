"""What is to be trained, in which order, and what trains it."""
