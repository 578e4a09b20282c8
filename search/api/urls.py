"""URL patterns of the API."""

from search.api.site import api

urlpatterns, app_name, namespace = api.urls
