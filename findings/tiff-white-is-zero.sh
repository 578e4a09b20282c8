#!/bin/sh
# Pillow opens 16-bit grey TIFF in which 0 is white (PhotometricInterpretation 0) without turning it round: a negative,
# with no warning. The same picture in 8 bits is right; in 16 bits and big-endian order it isn't opened at all.
# Seen with Pillow 13.0.0: "8 bits: [255, 0]; 16 bits: [0, 65535]; 16 bits, big-endian: cannot identify image file".
# Exits with 0 while that is so, with 1 when it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "Pillow==13.0.0"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct

from PIL import Image


def tiff(order, bits):
    """Two pixels, 0 and the largest, the first of which is white."""
    row = struct.pack(order + ("BB" if bits == 8 else "HH"), 0, 2**bits - 1)
    fields = {256: 2, 257: 1, 258: bits, 259: 1, 262: 0, 273: 8 + 2 + 12 * 9 + 4, 277: 1, 278: 1, 279: len(row)}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(fields))
    return head + b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in fields.items()) + bytes(4) + row


def seen(order, bits):
    try:
        picture = Image.open(io.BytesIO(tiff(order, bits)))
    except OSError as error:
        return str(error).partition(" <")[0]
    return [picture.getpixel((0, 0)), picture.getpixel((1, 0))]


found = [seen("<", 8), seen("<", 16), seen(">", 16)]
print("8 bits: {}; 16 bits: {}; 16 bits, big-endian: {}".format(*found))
raise SystemExit(found != [[255, 0], [0, 65535], "cannot identify image file"])
PYTHON
