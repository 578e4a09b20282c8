"""For the people who curate the collection, one file a concept."""

from search.admin import accounts, images, reports, sign_ups

__all__ = ["accounts", "images", "reports", "sign_ups"]
