"""Take the picture of a report that the README shows: `make screenshot`, after `make demo`; needs Chromium."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "runs" / "out" / "composite" / "report.html"
PICTURE = ROOT / "docs" / "figures" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1100, 1470


def main() -> int:
    """Write the picture and return 0, or say what is missing and return 2."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or not REPORT.exists():
        what = (
            f"none of {', '.join(BROWSERS)} is on the PATH" if browser is None else f"{REPORT} is not there: make demo"
        )
        print(f"no picture: {what}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # drawn by the processor, so that it looks alike everywhere
        flags = "--headless --no-sandbox --no-first-run --use-gl=angle --use-angle=swiftshader".split()
        flags += ["--enable-unsafe-swiftshader", "--disable-background-networking", f"--user-data-dir={profile}"]
        flags += [f"--window-size={WIDTH},{HEIGHT}", "--virtual-time-budget=20000", f"--screenshot={PICTURE}"]
        subprocess.run([browser, *flags, REPORT.as_uri()], check=True, timeout=300, stderr=subprocess.DEVNULL)
    print(PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
