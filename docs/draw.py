"""Draw the pictures of the documentation: `python docs/draw.py`.

With --measure NAME the data of one is measured anew first, which needs root. A test compares what is drawn.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from pictures import density, fastcontainer, isolation, stages, timeline

FOLDER = Path(__file__).resolve().parent / "pictures"
PICTURES = {
    "density": density,
    "fastcontainer": fastcontainer,
    "isolation": isolation,
    "stages": stages,
    "timeline": timeline,
}
MEASURED = {"isolation": isolation, "timeline": timeline}

if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--measure", choices=MEASURED, action="append", default=[])
    for name in parser.parse_args().measure:
        MEASURED[name].DATA.write_text(MEASURED[name].measure(), "utf-8")
    for name, module in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(module.picture(), "utf-8")
