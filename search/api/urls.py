"""URL patterns of the API."""

from search.api.openapi import api

urlpatterns, app_name, namespace = api.urls
