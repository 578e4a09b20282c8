"""Model comparison: two pairs of models measured on one labelled set, or shown side by side.

May import the rooms above it in docs/architecture.md. Verbs: `comparing.compare_sets` and `compare_files`,
`labelled.read_labelled`, `side_by_side.side_by_side`.
"""
