"""What a page shows is done as its reader would do it.

In the `console` blocks each command is run, all of a page in one shell, and its output compared; "..." stands for
any text, and alone on a line for any lines. A block whose info string names a file is written to that file first.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^(?P<fence>```+)(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<text>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)

END = "end of the output"

OWN_STATE = [
    # Nobody waits for a page that waits for something that does not come.
    *("timeout", "900"),
    *("unshare", "--mount", "bash", "-euc"),
    # Records and settings of the host stay as they are, and so does what is installed around this interpreter.
    "mount -t tmpfs none /run;"
    'for place in /etc "$0"; do'
    '    own=/run/.page/$(basename "$place"); mkdir -p "$own/upper" "$own/work";'
    '    mount -t overlay -o "lowerdir=$place,upperdir=$own/upper,workdir=$own/work" none "$place";'
    "done;"
    'exec bash "$1"',
    sys.prefix,
]


@dataclass(frozen=True)
class Command:
    line: str
    output: str

    def script(self) -> str:
        # The status survives, so that `echo $?` shows it.
        return f"{self.line}\nstatus=$?; echo '{END}'; (exit $status)\n"


def check_page(page: Path, folder: Path, **variables: str) -> None:
    """Do all that a page shows in a folder, and compare.

    Args:
        page: the file.
        folder: empty, or with what the page takes for granted.
        variables: of the environment, beside or instead of PATH and HOME.
    """
    commands: list[Command] = []
    script = folder / ".session"
    with script.open("w") as session:
        for number, block in enumerate(BLOCK.finditer(page.read_text("utf-8"))):
            if block["file"]:
                text = folder / f".block-{number}"
                text.write_text(block["text"])
                session.write(f"install -D -m 644 {text} {folder / block['file']}\n")
            if block["language"] == "console":
                found = list(commands_of(block["text"]))
                session.writelines(command.script() for command in found)
                commands += found
    outputs = _run(script, folder, variables)
    for command, output in zip(commands, outputs, strict=False):
        matches = re.fullmatch(pattern_of(command.output), output)
        assert matches, f"$ {command.line}\nshows\n{output}instead of\n{command.output}"
    assert len(outputs) == len(commands)


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


def _run(script: Path, folder: Path, variables: Mapping[str, str]) -> list[str]:
    """Run the commands of a page and return the output of each."""
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), **variables}
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
