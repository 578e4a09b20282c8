"""The HTTP API: thin views like the pages, with the same queries, limits and errors.

May import any room but the admin, `web` and management; `urls` is its entry, imported at the first request, since
ninja takes 0.2 s.
"""
