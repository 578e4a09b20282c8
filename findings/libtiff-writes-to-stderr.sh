#!/bin/sh
# A TIFF with a broken row makes libtiff, inside Pillow, write on the process's standard error, a line for each such row
# of a fax, past Python's logging and warnings. Pillow mutes libtiff's warnings and leaves its errors as they are.
# Seen with Pillow 13.0.0 (libtiff 4.7.2): "Fax4Decode: Bad code word at line ..." on stderr, no exception.
# Exits with 0 while that is so, with 1 when it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "Pillow==13.0.0"
cat > "$folder/fax.py" <<'PYTHON'
import io
import warnings

from PIL import Image

warnings.simplefilter("error")
page = Image.linear_gradient("L").resize((400, 300)).convert("1")
output = io.BytesIO()
page.save(output, "TIFF", compression="group4")
data = bytearray(output.getvalue())
for place in range(30, len(data) // 2, 9):
    data[place] ^= 0x55
try:
    Image.open(io.BytesIO(bytes(data))).load()
except OSError as error:
    print("refused:", error)
PYTHON
"$folder/venv/bin/python" "$folder/fax.py" 2> "$folder/stderr"
sort "$folder/stderr" | head -3
grep -q "Fax4Decode: Bad code word" "$folder/stderr"
