"""The pipeline: items in, rows out, in concurrent stages: read, decode, store, encode, write."""
