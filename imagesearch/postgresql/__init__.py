"""Django's backend for PostgreSQL, with a pool that gets over a restart of the database within seconds."""
