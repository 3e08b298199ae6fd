"""The core stays small enough to be read."""

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

from architecture.tree import CORE, SOURCES, docstrings, parse

CORE_LIMIT = 6300  # docs/decisions/0012
START_LIMIT = 4800
"""Of what a cold `haconiwa run` loads: definition, plan, start, end."""

VOCABULARY = CORE / "linux"
MODULE_LIMIT = 400
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_of_code(source):
    """Return how many lines hold code: not blank, no comment, no docstring."""
    documentation = {
        line
        for string in docstrings(ast.parse(source))
        if isinstance(string.value, str)
        for line in range(string.lineno, string.end_lineno + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in LAYOUT for line in range(token.start[0], token.end[0] + 1)}
    return len(code - documentation)


def test_lines_of_code_are_counted():
    source = (
        '"""Doc.\n\nMore."""\n\n# Comment.\nx = """a\nb"""  # two lines\n\n\ndef f():\n    """Doc."""\n    return x\n'
    )
    assert lines_of_code(source) == 4


def test_the_core_is_tiny():
    sizes = {file: lines_of_code(file.read_text()) for file in SOURCES}
    assert sum(size for file, size in sizes.items() if VOCABULARY not in file.parents) < CORE_LIMIT
    assert {file: size for file, size in sizes.items() if size > MODULE_LIMIT} == {}


def test_what_a_start_loads_is_tinier():
    program = """
import sys
from haconiwa_core.cli.main import main
status = main(["run", "--rm", "--launcher", "zygote", "--set", "rlimit.nofile=64", "--", "true"])
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("haconiwa_core")), sep="\\n")
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in done.stdout.splitlines()}
    assert CORE / "runtime" / "launching.py" in loaded
    code = (lines_of_code(file.read_text()) for file in loaded if VOCABULARY not in file.parents)
    assert sum(code) < START_LIMIT


def test_every_module_says_what_it_is():
    assert [file for file in SOURCES if not ast.get_docstring(parse(file))] == []
