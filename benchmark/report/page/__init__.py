"""The page that is mailed around: one HTML file with every table, and each cell behind its row.

Python makes the tables, the figures and plain values for a small script; the script sorts, filters
and shows what is embedded, and works out nothing that Python could have.
"""
