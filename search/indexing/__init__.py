"""The search table beneath the pictures: its sets of vectors, their tables, and their indexes."""
