"""Cells on the nodes of a cluster: what a node is given, what it tells, and who hands out.

One process drives: it hands groups of cells out as jobs, hears what nodes tell, and hands a job out
anew when its node or process is lost. Every handing out has a number, its attempt; what an older
attempt still sends changes nothing.
"""
