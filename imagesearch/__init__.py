"""The Django project: settings, URLs, the embedded PostgreSQL, database connections, and gunicorn's worker.

The settings and what they import may import no room; `urls`, `wsgi`, `admin` and `serving` may import any.
"""
