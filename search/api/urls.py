"""Addresses of the API, below the path where it stands."""

from search.api.site import api

urlpatterns, app_name, namespace = api.urls
