"""Duplicates: detected by hashes, pixels, vectors and keypoints, decided by people, and never asked about again.

May import the rooms above it in docs/architecture.md. Verbs are in its modules: `Comparing.compare`, `pending_groups`,
`keep`, `settle`, `part`, `fold`.
"""
