"""Metrics for Prometheus at /metrics, and an access log line per request.

May import the rooms above it in docs/architecture.md. Verbs: `metrics`, `share` (one folder for all processes),
`note`, the middleware `Requests`.
"""
