#!/bin/sh
# `with client.get_object(...)["Body"] as body` of boto3 gives not the StreamingBody but the response of urllib3 in it. So
# body.read() raises urllib3's ProtocolError instead of a BotoCoreError where an answer breaks off, which the handlers that
# boto3 documents don't catch. body.read() without `with`, or within contextlib.closing, raises ResponseStreamingError.
# Seen with boto3 1.44.5, botocore 1.44.8, urllib3 2.8.0: "with: ProtocolError; closing: ResponseStreamingError".
# Exits with 0 while that is so, with 1 when it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check boto3==1.44.5 botocore==1.44.8 urllib3==2.8.0
"$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import http.server
import threading

import boto3


class Breaking(http.server.BaseHTTPRequestHandler):
    """Promises a thousand bytes and breaks off after ten."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{server.server_address[1]}",
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
)


def raised(open_body):
    try:
        with open_body(client.get_object(Bucket="bucket", Key="key")["Body"]) as body:
            body.read()
    except Exception as error:
        return type(error).__name__
    return "nothing"


found = raised(lambda body: body), raised(contextlib.closing)
print("with: {}; closing: {}".format(*found))
raise SystemExit(found != ("ProtocolError", "ResponseStreamingError"))
PYTHON
