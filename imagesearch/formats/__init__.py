"""Formats of dates and times that override Django's."""
