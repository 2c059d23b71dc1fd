"""Whether new results still say what the stored ones do."""
