"""The object storage: originals, renditions, downloads and ZIP files, in our bucket or folder and in other buckets.

Imports `concurrency`, `imaging`, `monitoring`, `decoding`, `scrubbing` and `models`. Verbs: `storage.put`,
`storage.read_original`, `renditions.read_or_make`, `deletion.delete_images`, `download_copies.clean_copy`,
`zip_download.zipped`.
"""
