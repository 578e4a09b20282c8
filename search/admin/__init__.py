"""For the people who curate the collection, one file a concept."""

from search.admin import accounts, history, images, reports, sign_ups, tags, trash

__all__ = ["accounts", "history", "images", "reports", "sign_ups", "tags", "trash"]
