"""The containers of picture formats, read from untrusted bytes without decoding a pixel.

Formats, boxes of ISO media files, directories of TIFF, scans of JPEG; and UnreadableImage, which all of them raise.
"""
