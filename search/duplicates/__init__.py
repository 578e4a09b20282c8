"""Duplicates: detected by hashes, pixels, vectors and keypoints, decided by people, and never asked about again.

May import the rooms above it in docs/architecture.md. Verbs: `detection.Comparing.compare`, `groups.pending_groups`,
`merging.keep`, `decisions.settle`, `folded_results.fold`.
"""
