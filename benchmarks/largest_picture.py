"""When the largest picture of a page is drawn, in Chromium, of two builds that are being served.

`python -m benchmarks.largest_picture OLD NEW`: the addresses of two servers with the same pictures. Each page is
opened with an empty cache, on a desktop and on a phone, in turns. The time is that of the largest picture in view by
Element Timing (https://wicg.github.io/element-timing/), in milliseconds since the navigation. Largest Contentful Paint
would take a paragraph for the largest where pictures are small.
"""

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from benchmarks.report import table

_SIZES = {"1440 x 900": (1440, 900), "390 x 844": (390, 844)}
_OBSERVE = """
window.largest = {area: 0, time: 0}; window.shifted = 0;
const watch = () => document.querySelectorAll("img:not([elementtiming])").forEach(
  (image) => image.setAttribute("elementtiming", "picture"));
new MutationObserver(watch).observe(document, {childList: true, subtree: true});
new PerformanceObserver(list => {
  for (const {intersectionRect: box, renderTime: time} of list.getEntries()) {
    const area = box.width * box.height;
    if (area > window.largest.area) window.largest = {area, time};
  }
}).observe({type: "element", buffered: true});
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) window.shifted += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""


def drawn(browser: Browser, address: str, size: tuple[int, int]) -> tuple[float, float]:
    """Return when its largest picture is drawn, in milliseconds, and how much has shifted."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    try:
        context.add_init_script(_OBSERVE)
        page = context.new_page()
        page.goto(address, wait_until="networkidle")
        # An entry is handed out after the frame it belongs to.
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        largest, shifted = page.evaluate("[window.largest.time, window.shifted]")
        if not largest:
            raise RuntimeError(f"{address} draws no picture.")
        return largest, shifted
    finally:
        context.close()


def compare(old: str, new: str, pages: Sequence[str], rounds: int, **launch: Any) -> str:
    """Return a table of medians, and of the ratios of pairs."""
    lines = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch)
        for path in pages:
            for name, size in _SIZES.items():
                before, now = [], []
                for number in range(rounds + 1):
                    found = {}
                    for side in (old, new) if number % 2 else (new, old):
                        found[side] = drawn(browser, side.rstrip("/") + path, size)
                    if number:  # the first fills the caches of the servers
                        before.append(found[old])
                        now.append(found[new])
                lines.append(_line(path, name, before, now))
        browser.close()
    return table(["Largest picture drawn, ms", "old", "new", "ratio of pairs", "shifted: old, new"], lines)


def _line(path: str, size: str, before: list[tuple[float, float]], now: list[tuple[float, float]]) -> list[str]:
    ratios = [new / old for (old, _), (new, _) in zip(before, now, strict=True)]
    return [
        f"{path}, {size}",
        *(f"{median(largest for largest, _ in side):.0f}" for side in (before, now)),
        f"**{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})",
        ", ".join(f"{max(shifted for _, shifted in side):.3f}" for side in (before, now)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.largest_picture", description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--pages", nargs="+", default=["/", "/search?q=dog", "/search?q=red+boat"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--chromium", help="the browser's program, if not Playwright's own")
    options = parser.parse_args()
    launch = {"executable_path": options.chromium} if options.chromium else {}
    print(compare(options.old, options.new, options.pages, options.rounds, **launch))


if __name__ == "__main__":
    main()
