"""A start in time: what `haconiwa timings` has recorded of one container of the profile `hardened`: timeline.json.

python docs/draw.py --measure timeline
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from haconiwa_runtime.timings.svg import drawing

from haconiwa_core.runtime.timings import Span

DATA = Path(__file__).with_name("timeline.json")
NAME = "hardened"


def measure() -> str:
    """Return the timings of one start, as JSON."""
    run = ["haconiwa", "run", "--name", NAME, "--set", "hardened.root=/", "--set", "hardened.memory=max"]
    subprocess.run([*run, "--set", "hardened.pids=max", "--", "true"], check=True)
    try:
        shown = subprocess.run(
            ["haconiwa", "timings", NAME, "--format", "json"], check=True, capture_output=True, text=True
        )
    finally:
        subprocess.run(["haconiwa", "rm", NAME], check=True)
    return json.dumps(json.loads(shown.stdout), indent=1) + "\n"


def picture() -> str:
    """Return the picture of what was measured."""
    return drawing(NAME, [Span(**span) for span in json.loads(DATA.read_text("utf-8"))])
