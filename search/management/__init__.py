"""The commands in `commands/`, and what they share: progress, outages, output. Each parses and prints; a room does the
work.

May import any room; none imports it.
"""
