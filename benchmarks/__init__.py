"""Benchmarks, run by `make bench`: ingestion and the search page against the plain loop that they replace.

May import the whole project, after `make_world` has set the environment; nothing imports them.
"""
