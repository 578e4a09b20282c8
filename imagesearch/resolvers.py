"""URL patterns imported on first use."""

from django.urls.resolvers import RoutePattern, URLResolver


class LateResolver(URLResolver):
    """Like `include(module)`, but `module` is imported when a URL under `route` is requested or reversed.

    It needs its own namespace: names without one are looked up in every resolver.
    """

    def __init__(self, route: str, module: str, *, app_name: str, namespace: str) -> None:
        super().__init__(RoutePattern(route), module, app_name=app_name, namespace=namespace)

    def _populate(self) -> None:
        """Don't import the module: Django calls this before any lookup of a name.

        Names in a namespace are found through `url_patterns`, without what this would collect.
        """
        if "urlconf_module" in self.__dict__:
            super()._populate()
