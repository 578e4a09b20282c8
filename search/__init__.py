"""Semantic image search: the Django app. Each package in it is a room; docs/architecture.md lists them."""
