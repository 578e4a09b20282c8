"""Thin: form -> query -> page."""
