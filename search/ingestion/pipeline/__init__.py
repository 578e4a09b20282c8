"""Items of a source in, rows out, in stages that go on at the same time: read, decode, store, encode, write."""
