"""The stages of a start, in their order: what runs on the host, what in the container's process."""

from __future__ import annotations

from collections.abc import Iterator

from parts import documented_members
from pictures.drawing import CHILD, FAINT, GRID, HOST, box, document, lines, path, text

from haconiwa_core.plugins.catalogue import known_names
from haconiwa_core.stages import Stage
from haconiwa_core.testing import all_plugins

WIDTH, TOP, ROW = 1080, 96, 52
LANES = {True: (24, "on the host", HOST), False: (184, "in the container's process", CHILD)}
LANE, NOTE, USERS = 150, 366, 800


def picture() -> str:
    """Return the picture."""
    stages = [(Stage[name], meaning) for name, meaning in documented_members(Stage)]
    height = TOP + ROW * len(stages) + 24
    return document(WIDTH, height, "A start, stage by stage", [*_heads(height), *_rows(stages)])


def _heads(height: int) -> Iterator[str]:
    for x, title, colour in LANES.values():
        yield text(x, TOP - 24, title, bold=True, colour=colour, size=11)
        yield path([(x + LANE / 2, TOP - 12), (x + LANE / 2, height - 24)], GRID, thick=2)
    yield text(NOTE, TOP - 24, "what holds afterwards", bold=True, colour=FAINT, size=11)
    yield text(USERS, TOP - 24, "features with steps there", bold=True, colour=FAINT, size=11)


def _rows(stages: list[tuple[Stage, str]]) -> Iterator[str]:
    former: tuple[float, float] | None = None
    for number, (stage, _) in enumerate(stages):
        x = LANES[stage.on_host][0]
        y = TOP + ROW * number
        middle = (x + LANE / 2, y + 17.0)
        if former:
            yield path([(former[0], former[1] + 14), (middle[0], middle[1] - 14)], FAINT, thick=1.5)
        former = middle
    for number, (stage, meaning) in enumerate(stages):
        x, _, colour = LANES[stage.on_host]
        y = TOP + ROW * number
        yield box(x, y, LANE, 32, colour, round=6)
        yield text(x + LANE / 2, y + 21, stage.name, colour="#ffffff", bold=True, anchor="middle")
        yield from lines(NOTE, y + 10, _afterwards(meaning), USERS - NOTE - 24, size=11, most=3)
        yield from lines(
            USERS, y + 10, ", ".join(_users(stage)) or "the core", WIDTH - USERS - 24, size=10, colour=FAINT, most=3
        )


def _afterwards(meaning: str) -> str:
    """Return what a stage's text says of the world after it, without the reason."""
    said = meaning.partition("Afterwards ")[2] or meaning.partition(". ")[2] or meaning
    said = said.partition(": ")[0].removesuffix(".")
    return said[:1].lower() + said[1:]


def _users(stage: Stage) -> list[str]:
    return [name for name in known_names() if stage in all_plugins().feature_class(name).stages]
