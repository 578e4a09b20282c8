"""What any room may call: counters that cost nothing without METRICS_TOKEN.

And whether the database and the static files are those of this version.
"""
