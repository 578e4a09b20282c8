"""What the operator watches: figures for Prometheus at /metrics, and a line in the log for each request.

Other rooms call the verbs of `recording`, which cost nothing where METRICS_TOKEN is not set.
"""
