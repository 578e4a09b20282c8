from typing import Any

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from imagesearch.postgresql.pool import Pool


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with our pool in place of its own."""

    _connection_pools: dict[str, Pool]
    _configure_connection: Any

    @property
    def pool(self) -> Pool | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        if self.alias not in self._connection_pools:
            kwargs = {**self.get_connection_params(), "autocommit": True}
            made = Pool(kwargs=kwargs, open=False, configure=self._configure_connection, **options)
            # Of threads that race here the first one's pool is kept: none is open yet.
            self._connection_pools.setdefault(self.alias, made)
        return self._connection_pools[self.alias]
