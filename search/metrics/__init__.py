"""Metrics for Prometheus at /metrics, and a line in the log for each request.

What the database tells, what processes count, and the middleware around requests.
"""
