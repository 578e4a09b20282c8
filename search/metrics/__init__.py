"""Metrics for Prometheus at /metrics, and an access log line per request.

May import the rooms above it in docs/architecture.md. Verbs: `exposition.metrics`, `shared_counters.share` and `note`;
the middleware `requests.Requests`.
"""

MOST_COUNTED = 100_000
"""Maximum rows counted per figure; with more, this number is reported."""
