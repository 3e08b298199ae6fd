"""The files of a log, while they are rotated faster than any container writes."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import suppress
from pathlib import Path

from haconiwa_runtime.logs import LINES_NAME, open_log

FILES = 30
SECONDS = 2.0
LINE = "2026-01-31T12:00:{0:012.9f}Z stdout F {1}\n"


def rotate(folder: Path) -> None:
    """Rename all files to the next number and begin a new one, again and again; each holds a greater number."""
    sequence = 0
    while True:
        sequence += 1
        (folder / f"{LINES_NAME}.{FILES}").unlink(missing_ok=True)
        for number in range(FILES - 1, -1, -1):
            with suppress(FileNotFoundError):
                old = folder / (f"{LINES_NAME}.{number}" if number else LINES_NAME)
                old.rename(folder / f"{LINES_NAME}.{number + 1}")
        new = folder / "new"
        new.write_text(LINE.format(sequence / 1e6, sequence))
        new.rename(folder / LINES_NAME)
        time.sleep(0.0002)


def test_are_read_in_their_order_and_once(tmp_path: Path) -> None:
    (tmp_path / LINES_NAME).write_text(LINE.format(0.0, 0))
    rotating = multiprocessing.get_context("fork").Process(target=rotate, args=(tmp_path,))
    rotating.start()
    try:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with open_log(tmp_path) as source:
                seen = []
                for part in source.read():
                    seen.append(int(part.data))
                    if len(seen) == FILES:
                        break
            assert seen == sorted(set(seen)), seen
    finally:
        rotating.kill()
        rotating.join()
