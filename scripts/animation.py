"""Thirty seconds of a real run as it went: `python scripts/animation.py [FILE]`, about two minutes.

Plays the committed run (`docs/runs/triage.mipro`) on the Replay page in Chromium, from its beginning to its result,
and writes what the page shows as an animated WebP, `docs/screenshots/search.webp` unless FILE names another.
"""

import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image
from playwright.sync_api import Page

from mipro_studio.control import take_home
from mipro_studio.storage import Reader
from mipro_studio.ui.replay.replay_state import history
from scripts.screenshots import REAL, still
from tests.ui.browser import ROOT, chromium, serve

SECONDS, FRAMES, LAST_S = 30.0, 36, 4.0
SIZE, SHOWN = {"width": 1440, "height": 1000}, (1080, 750)
QUALITY = 55


def main(arguments: list[str]) -> int:
    out = Path(arguments[0]) if arguments else ROOT / "docs" / "screenshots" / "search.webp"
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        store = Path(folder) / "studio.db"
        run_id = take_home.open_replay(store, REAL)
        with Reader(store) as reader:
            last = len(history(reader, reader.run(run_id)).moments) - 1
        steps = sorted({round(last * n / (FRAMES - 1)) for n in range(FRAMES)})
        with serve(store) as url:
            page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
            frames = [frame(page, f"{url}/replay?run={run_id}&at={at}") for at in steps]
    each = round(1000 * (SECONDS - LAST_S) / (len(frames) - 1))
    shown = [each] * (len(frames) - 1) + [round(1000 * LAST_S)]
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=shown, loop=0, quality=QUALITY, method=6)
    print(f"{out}: {len(frames)} pictures, {sum(shown) / 1000:.0f} s, {out.stat().st_size / 1024:.0f} kB")
    return 0


def frame(page: Page, url: str) -> Image.Image:
    """What the page shows at a moment, once it is drawn."""
    page.goto(url)
    still(page)
    with Image.open(io.BytesIO(page.screenshot())) as image:
        return image.convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
