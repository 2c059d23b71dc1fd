"""What stored records say: which can be compared, which are one row, and what follows."""
