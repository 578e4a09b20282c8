"""Container formats of pictures, parsed from untrusted bytes without decoding pixels.

ISO media boxes, TIFF directories, JPEG scans, PNG chunks, GIF frames. Imports no other room. All parsers raise
UnreadableImage (`errors.py`).
"""
