"""What the pages show is what happens.

In every `console` block each command is run and its output compared; "..." stands for any text,
and alone on a line for any lines. A block whose info string names a file is written to that file first.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from haconiwa_core.testing import needs_root

TREE = Path(__file__).resolve().parents[2]
PAGES = [TREE / "README.md", *sorted(TREE.joinpath("docs").rglob("*.md"))]

BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

END = "end of the output"

OWN_STATE = [
    *("unshare", "--mount", "bash", "-euc"),
    # Records and settings of the host stay as they are.
    "mount -t tmpfs none /run; mkdir /run/upper /run/work;"
    "mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work none /etc;"
    'exec bash -c "$1"',
    "bash",
]


def page_id(page: Path) -> str:
    return str(page.relative_to(TREE))


@dataclass(frozen=True)
class Command:
    line: str
    output: str


def commands_of(block: str) -> Iterator[Command]:
    """Yield the commands, which begin with "$ ", each with the output below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        while line.endswith("\\"):
            more, _, output = output.partition("\n")
            line += f"\n{more}"
        yield Command(line, output)


def pattern_of(output: str) -> str:
    """Return a regular expression for what a page shows."""
    lines = [
        r"(?:.*\n)*" if line == "..." else "[^\n]*".join(map(re.escape, line.split("..."))) + r"\n"
        for line in output.splitlines()
    ]
    return "".join(lines)


def run_block(commands: list[Command], folder: Path) -> list[str]:
    """Run the commands in one shell and return the output of each."""
    # The status survives, so that `echo $?` shows it.
    script = "".join(f"{command.line}\nstatus=$?; echo '{END}'; (exit $status)\n" for command in commands)
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(
        [*OWN_STATE, script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.split(f"{END}\n")[:-1]


@needs_root
@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_do_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    shutil.copytree(TREE / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    for block in BLOCK.finditer(page.read_text("utf-8")):
        if block["file"]:
            file = tmp_path / block["file"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block["text"])
        if block["language"] != "console":
            continue
        commands = list(commands_of(block["text"]))
        outputs = run_block(commands, tmp_path)
        assert len(outputs) == len(commands)
        for command, output in zip(commands, outputs, strict=True):
            matches = re.fullmatch(pattern_of(command.output), output)
            assert matches, f"$ {command.line}\nshows\n{output}instead of\n{command.output}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text("utf-8")):
        target = (page.parent / path) if path else page
        assert target.exists(), f"{path} is linked and does not exist"
        if anchor:
            headings = HEADING.findall(target.read_text("utf-8"))
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{path} has no heading #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_page_is_linked_from_the_index(page: Path) -> None:
    index = TREE / "docs" / "index.md"
    linked = {(index.parent / path).resolve() for path, _ in LINK.findall(index.read_text("utf-8")) if path}
    assert page in {index, *linked}
