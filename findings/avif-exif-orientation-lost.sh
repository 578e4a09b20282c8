#!/bin/sh
# Pillow's AVIF reader throws away what EXIF says of the orientation: where the container has neither irot nor imir, it
# writes 1 over the camera's own tag, so a picture that is turned by EXIF alone can't be told from an upright one.
# pillow-heif leaves it readable as info["original_orientation"].
# Seen with Pillow 13.0.0 (libavif 1.4.2): "the file says 6, Pillow says 1".
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

# An encoder moves tag 0x0112 into the container, so it is written under another number and renamed in the file.
tag, other = b"\x01\x12\0\3\0\0\0\1", b"\x01\x13\0\3\0\0\0\1"
exif = b"MM\0*\0\0\0\x08\0\x01" + other + struct.pack(">HH", 6, 0) + bytes(4)
output = io.BytesIO()
Image.new("RGB", (48, 32), "red").save(output, "AVIF", exif=exif)
data = output.getvalue()
assert data.count(other) == 1 and b"irot" not in data and b"imir" not in data
picture = Image.open(io.BytesIO(data.replace(other, tag)))
told = picture.getexif().get(0x0112)
print(f"the file says 6, Pillow says {told}")
raise SystemExit(told != 1)
PYTHON
