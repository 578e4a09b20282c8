"""Tag suggestions: the vectors of a vocabulary's phrases are compared with pictures, and people decide.

May import the rooms above it in docs/architecture.md. Never tags a picture unasked. Verbs: `suggesting.suggest`,
`suggestion_decisions.accept` and `reject`, `tag_renaming_and_merging.rename` and `merge`.
"""
