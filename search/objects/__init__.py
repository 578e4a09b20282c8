"""The object storage: originals, renditions, downloads and ZIP files; our bucket and those of others."""
