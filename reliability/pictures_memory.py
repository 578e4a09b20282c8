"""What pictures that strangers send take of the machine: `python -m reliability.pictures_memory [KIND ...]`.

Legal pictures that take much memory to open are sent many at once, to be searched by, and the memory of the site is
looked at meanwhile: the proportional set size (PSS) of all its processes, decoders included, above that of a site that
has answered a search by picture before. It passes when that stays below 400 MB, everybody gets 302, 400 or 503 with
Retry-After within a minute, and the site searches as before afterwards.
"""

import http.client
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from PIL import Image
from pillow_heif import register_heif_opener

from reliability.site_under_test import Site, filled, new_search, served

MOST = 400_000_000
_LONGEST = 60.0


def _file(picture: Image.Image, format: str, **options: Any) -> bytes:
    output = BytesIO()
    picture.save(output, format, **options)
    return output.getvalue()


def _flat(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height), 90 if mode in ("L", "I;16") else tuple([90, 20, 160, 40][: len(mode)]))


def _photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    noise = Image.effect_noise((width // 8, height // 8), 60).resize((width, height))
    return noise.convert(mode)


def _film(format: str, **options: Any) -> bytes:
    frames = [Image.new("RGB", (3000, 2000), colour) for colour in ("black", "navy", "teal")]
    return _file(frames[0], format, save_all=True, append_images=[*frames[1:], _photo(3000, 2000)], **options)


FILES: dict[str, Callable[[], bytes]] = {
    "WebP, 99.9 MP": lambda: _file(_flat(9990, 10000), "WEBP", lossless=True, quality=0, method=0),
    "WebP, 15 MP": lambda: _file(_flat(5000, 3000), "WEBP", lossless=True, quality=0, method=0),
    "PNG, 49 MP": lambda: _file(_flat(7000, 7000), "PNG"),
    "PNG with layers, 12 MP": lambda: _file(_flat(4000, 3000, "RGBA"), "PNG"),
    "deep PNG, 20 MP": lambda: _file(_flat(5000, 4000, "I;16"), "PNG"),
    "JPEG, 49 MP": lambda: _file(_photo(8000, 6100), "JPEG"),
    "progressive JPEG, 36 MP": lambda: _file(_photo(7000, 5200), "JPEG", progressive=True, subsampling=0),
    "progressive JPEG in inks, 24 MP": lambda: _file(_photo(6000, 4000, "CMYK"), "JPEG", progressive=True),
    "JPEG without an end, 24 MP": lambda: _file(_photo(6000, 4000), "JPEG")[:-2],
    "HEIC, 24 MP": lambda: _file(_flat(6000, 4000), "HEIF"),
    "AVIF, 20 MP": lambda: _file(_flat(5000, 4000), "AVIF", speed=10),
    "TIFF in one piece, 20 MP": lambda: _file(_flat(5000, 4000), "TIFF", compression="tiff_lzw", tiffinfo={278: 4000}),
    "moving GIF, 6 MP": lambda: _film("GIF"),
    "moving WebP, 6 MP": lambda: _film("WEBP", method=0, quality=20),
    "strip, 16,000 x 1": lambda: _file(_flat(16_000, 1), "PNG"),
    "strip, 49 million x 1": lambda: _file(_flat(49_000_000, 1, "L"), "PNG"),
    "noise, 19 MB": lambda: _file(Image.effect_noise((4400, 4400), 90), "PNG", compress_level=0),
}


class Watch:
    """The highest proportional set size of a process and all below it, in bytes, from twenty looks a second."""

    def __init__(self, process: int) -> None:
        self._root = psutil.Process(process)
        self.highest = 0
        self._ended = threading.Event()

    def now(self) -> int:
        total = 0
        for one in [self._root, *self._root.children(recursive=True)]:
            try:
                if one.name() == "postgres":
                    continue
                for line in Path(f"/proc/{one.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
            except (psutil.Error, OSError):
                continue
        return total

    @contextmanager
    def watching(self) -> Iterator[None]:
        self.highest = self.now()
        self._ended.clear()

        def look() -> None:
            while not self._ended.wait(0.05):
                self.highest = max(self.highest, self.now())

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()


def show(site: Site, data: bytes, path: str = "/search/picture") -> tuple[int, str, float]:
    """Send a picture to search by; return the status (0: no answer), Retry-After, and the seconds."""
    boundary = secrets.token_hex(8)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'.encode()
    # Different bytes each time, or the picture would be known: all formats but RAW forgive a tail.
    body = head + data + secrets.token_bytes(8) + f"\r\n--{boundary}--\r\n".encode()
    token = "x" * 32
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Cookie": f"csrftoken={token}",
        "X-CSRFToken": token,
        "Connection": "close",
    }
    start = time.perf_counter()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=_LONGEST + 60)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Retry-After", ""), time.perf_counter() - start
    except (OSError, http.client.HTTPException):
        return 0, "", time.perf_counter() - start


def at_once(site: Site, watch: Watch, data: bytes, count: int) -> tuple[int, Counter[int], float, bool]:
    """Return the bytes above what there was, the answers, the longest wait, and whether all 503 say when to return."""
    with watch.watching(), ThreadPoolExecutor(count) as people:
        answers = list(people.map(lambda _: show(site, data), range(count)))
    polite = all(retry for status, retry, _ in answers if status == 503)
    return watch.highest, Counter(one[0] for one in answers), max(one[2] for one in answers), polite


def main() -> None:
    register_heif_opener()
    wrong = []
    with filled(200) as data, served(data, WEB_CONCURRENCY="4") as site:
        watch = Watch(site.process.pid)
        small = _file(_photo(640, 480), "JPEG")
        for _ in range(24):  # every process loads its model
            at_once(site, watch, small, 4)
        time.sleep(20)  # decoders end
        idle = watch.now()
        print(f"Idle: {idle / 1e6:,.0f} MB. Above it, at most, with 4 and 16 of them at once:")
        for name, make in FILES.items():
            if sys.argv[1:] and not any(name.startswith(kind) for kind in sys.argv[1:]):
                continue
            content = make()
            told = []
            for count in (4, 16):
                highest, answers, longest, polite = at_once(site, watch, content, count)
                above = highest - idle
                words = ", ".join(f"{number} x {status}" for status, number in sorted(answers.items()))
                told.append(f"{above / 1e6:4.0f} MB ({words}; {longest:.1f} s)")
                if above > MOST or set(answers) - {302, 400, 503} or longest > _LONGEST or not polite:
                    wrong.append(f"{name}, {count} at once")
            print(f"  {name:32} {len(content) / 1000:9,.1f} kB  {'  '.join(told)}", flush=True)
        if site.get(new_search(1))[0] != 200 or show(site, small)[0] != 302:
            wrong.append("a search afterwards")
        if site.process.poll() is not None or "Traceback" in site.log.read_text():
            wrong.append("the server")
    if wrong:
        sys.exit(f"Not as it should be: {'; '.join(wrong)}.")
    print(f"Nothing took more than {MOST / 1e6:.0f} MB above the idle site, and everybody got an answer.")


if __name__ == "__main__":
    main()
