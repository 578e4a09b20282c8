"""The Jinja engine of the search page, and the icons that both engines draw."""
