"""What is in force in a hardened container, as `haconiwa inspect --isolation` has read it back: isolation.json.

python docs/draw.py --measure isolation
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pictures.drawing import BAD, CHILD, FAINT, GRID, INK, STRIPE, UNKNOWN, box, document, lines, text

DATA = Path(__file__).with_name("isolation.json")
WIDTH, TOP, LETTERS = 1120, 92, 11
COLUMNS = {"section": 24, "what": 128, "asked": 306, "in_force": 522, "host": 738, "verified": 880}
TITLES = {
    "section": "feature",
    "what": "what",
    "asked": "asked for",
    "in_force": "in force",
    "host": "the host's",
    "verified": "read from",
}
COLOURS = {"holds": CHILD, "fails": BAD, "weak": UNKNOWN, "unknown": UNKNOWN, "unasked": GRID}


def measure() -> str:
    """Return what is read back from a container of the profile, as JSON."""
    name = "picture-of-isolation"
    # On a host whose name is nobody's.
    haconiwa = ["unshare", "--uts", "sh", "-c", 'hostname host && exec haconiwa "$@"', "sh"]
    run = [*haconiwa, "run", "-d", "--name", name, "--set", "hardened.root=/", "--", "sleep", "600"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    look = [*haconiwa, "inspect", name, "--isolation", "--format", "json"]
    try:
        shown = subprocess.run(look, check=True, capture_output=True, text=True)
    finally:
        subprocess.run([*haconiwa, "rm", "--force", name], check=True)
    return json.dumps(json.loads(shown.stdout), indent=1) + "\n"


def picture() -> str:
    """Return the picture of what was measured."""
    rows = [row for row in json.loads(DATA.read_text("utf-8")) if row["state"] != "unasked"]
    places: list[tuple[float, float, dict[str, str]]] = []
    y: float = TOP
    for row in rows:
        height = max(len(_cell(row, key, 0)) for key in COLUMNS) * LETTERS * 1.35 + 9
        places.append((y, height, row))
        y += height
    held = sum(row["state"] == "holds" for row in rows)
    title = f"A hardened container: {held} of {len(rows)} parts of its isolation hold, as the kernel says"
    return document(WIDTH, round(y) + 24, title, [*_heads(), *_rows(places)])


def _heads() -> Iterator[str]:
    for key, x in COLUMNS.items():
        yield text(x, TOP - 16, TITLES[key], bold=True, colour=FAINT, size=11)


def _rows(places: list[tuple[float, float, dict[str, str]]]) -> Iterator[str]:
    former = None
    for number, (y, height, row) in enumerate(places):
        yield box(16, y, WIDTH - 32, height, STRIPE if number % 2 else "#ffffff")
        yield box(16, y, 4, height, COLOURS[row["state"]])
        for key in COLUMNS:
            if key != "section" or row["section"] != former:
                yield from _cell(row, key, y + 15)
        former = row["section"]


def _cell(row: dict[str, str], key: str, y: float) -> list[str]:
    places = [*COLUMNS.values(), WIDTH]
    x = COLUMNS[key]
    width = places[places.index(x) + 1] - x - 8
    colour = COLOURS[row["state"]] if key == "in_force" else INK if key in ("section", "what", "asked") else FAINT
    return lines(x, y, row[key], width, size=LETTERS, colour=colour, most=2)
