"""Tag suggestions: the vectors of a vocabulary's phrases are compared with pictures, and people decide.

May import the rooms above it in docs/architecture.md. Never tags a picture unasked. Verbs are in its modules:
`suggest`, `accept`, `reject`, `retune`, `rename`, `merge`, `read_vocabulary`.
"""
