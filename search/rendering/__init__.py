"""Rendering: the Jinja engine of the search page, and icons for both template engines.

May import the rooms above it in docs/architecture.md. Verbs: `jinja_engine.rendered`, `icons.icon`.
"""
