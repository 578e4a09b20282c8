#!/usr/bin/env bash
# OpenVINO 2026.4.1, which encodes CLIP vectors on processors: with openvino-telemetry at hand, as pip installs it,
# `import openvino` alone sends an event to its maker unless somebody has opted out before, and fails for a user whose
# home folder is not known. The event is printed here instead of sent.
#
# Seen: "event: ov import general_import", and "RuntimeError: Could not determine home directory."
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 openvino-telemetry==2025.2.0 numpy==2.4.6

cat > "$folder/told.py" <<'PY'
from openvino_telemetry import main

main.Telemetry.send_event = lambda self, *event, **options: print("event:", *event, "consent:", self.consent)
import openvino
PY
mkdir "$folder/home"
told=$(env -u CI -u TF_BUILD -u JENKINS_URL HOME="$folder/home" "$folder/venv/bin/python" "$folder/told.py")
echo "$told"
[[ $told == *"event: ov import general_import consent: True"* ]]

cat > "$folder/homeless.py" <<'PY'
import os

os.environ.pop("HOME", None)
os.path.expanduser = lambda path: path  # as for a number that has no entry in /etc/passwd
import openvino
PY
refused=$("$folder/venv/bin/python" "$folder/homeless.py" 2>&1 || true)
echo "${refused##*$'\n'}"
[[ $refused == *"RuntimeError: Could not determine home directory."* ]]
