"""Faults made to happen against the real parts: scripts that end by themselves with a sentence and an exit status."""
