"""The admin of the collection, one concept a file: thin views over the other rooms.

May import any room but `web` and management; `imagesearch.admin` has the site. Importing it registers the lists.
"""

from search.admin import accounts, history, images, reports, run_log, sign_ups, tags, trash

__all__ = ["accounts", "history", "images", "reports", "run_log", "sign_ups", "tags", "trash"]
