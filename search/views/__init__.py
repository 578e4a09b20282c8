"""The pages: thin function views of form, query and page.

May import any room but the API, the admin, `web` and management. `search/urls.py` lists them.
"""
