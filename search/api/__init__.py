"""The HTTP API: thin views like the pages, with the same queries, limits and errors.

May import any room but the admin and management; imported at its first request, since ninja takes 0.2 s. `urls` is its
entry.
"""
