"""Template tags and filters, for both engines. May import any room but the pages, the API, the admin, `web` and
management."""
