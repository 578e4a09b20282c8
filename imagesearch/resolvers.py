"""Addresses that are imported late."""

from django.urls.resolvers import RoutePattern, URLResolver


class LateResolver(URLResolver):
    """What `include(module)` makes, but that `module` is imported when an address below `route` is asked for or named.

    It needs a namespace of its own: names without one are looked for everywhere.
    """

    def __init__(self, route: str, module: str, *, app_name: str, namespace: str) -> None:
        super().__init__(RoutePattern(route), module, app_name=app_name, namespace=namespace)

    def _populate(self) -> None:
        """Do nothing that would import the module: Django calls this before it looks for any name at all.

        What is in a namespace it finds by `url_patterns`, without what it would collect here.
        """
        if "urlconf_module" in self.__dict__:
            super()._populate()
