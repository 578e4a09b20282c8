"""Model comparison: two pairs of models measured on one labelled set, or shown side by side.

May import the rooms above it in docs/architecture.md. Verbs are in its modules: `compare_sets`, `compare_files`,
`read_labelled`, `side_by_side`.
"""
