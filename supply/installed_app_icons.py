"""`python -m supply.installed_app_icons`: render the icons of the installed site into static/img, by Chromium."""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from supply import BASE

FOLDER = BASE / "static" / "img"
GROUND, INK = "#1d6b5a", "#f1f8f5"
COLOURS = 64
"""Few: there are two, and their blends at the edges."""

# The mark of static/img/mark.svg, centred in a square of 32.
_MARK = f"""
<g transform="translate(16 16) scale({{scale}}) translate(-16 -16)" fill="{INK}">
  <circle cx="16" cy="16" r="12.5" fill="none" stroke="{INK}" stroke-width="1.5" opacity=".5"/>
  <rect x="10" y="10" width="12" height="12" rx="2.5"/>
  <rect x="22" y="3" width="7" height="7" rx="1.75"/>
  <rect x="3.5" y="20.5" width="6" height="6" rx="1.5" opacity=".75"/>
</g>
"""
# Launchers crop a maskable icon to a circle of four fifths, so the mark is smaller, and the background is full-bleed.
_KINDS = {"icon": (7.0, 0.72), "maskable": (0.0, 0.66)}
_DRAWN = (("icon", 192), ("icon", 512), ("maskable", 192), ("maskable", 512), ("maskable", 180))


def drawing(kind: str) -> str:
    """Return the icon of this kind as SVG."""
    radius, scale = _KINDS[kind]
    ground = f'<rect width="32" height="32" rx="{radius}" fill="{GROUND}"/>'
    mark = _MARK.format(scale=scale)
    root = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="100%" height="100%">'
    return f"{root}{ground}{mark}</svg>"


def draw(folder: Path) -> list[Path]:
    """Write all icons into the folder; return their paths. iOS has its own, which it rounds itself."""
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    written = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for kind, size in _DRAWN:
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(f"<style>body {{ margin: 0 }}</style>{drawing(kind)}")
            picture = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
            path = folder / ("touch-180.png" if size == 180 else f"{kind}-{size}.png")
            picture.quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)
            written.append(path)
            page.close()
        browser.close()
    return written


if __name__ == "__main__":
    for path in draw(FOLDER):
        print(f"{path.relative_to(BASE)}: {path.stat().st_size:,} bytes")
