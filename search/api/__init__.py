"""The search for programs: thin, like the pages, and with the same queries, limits and errors."""
