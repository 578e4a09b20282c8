"""Django's backend for PostgreSQL, with a connection pool that recovers from a restart of the database in seconds."""
