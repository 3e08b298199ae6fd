"""The tutorial leads to the plugin that is kept in contrib/, and each of its commands does what it shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from documentation.pages import BLOCK, check_page
from publishing.local_index import TREE, Index

from haconiwa_core.testing import needs_program, needs_root

PAGE = TREE / "docs" / "howto" / "publish.md"
FOLDER = "haconiwa-keyring"
FILES = {
    block["file"]: block["text"]
    for block in BLOCK.finditer(PAGE.read_text("utf-8"))
    if block["file"] and block["file"].startswith(f"{FOLDER}/")
}


@needs_root
@needs_program("keyctl")
@needs_program("patch")
def test_each_command_does_what_is_shown(index: Index, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    # Not those of the environment that the tests are run in: what is missing would be found there.
    programs.joinpath("python3").symlink_to(Path(sys.executable).resolve())
    variables = {"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin", **index.variables()}
    # Compiling what is used once takes longer than it saves.
    check_page(PAGE, tmp_path, **variables, PIP_NO_COMPILE="1")


def test_it_shows_the_whole_feature() -> None:
    package = {f"{FOLDER}/haconiwa_keyring/{name}.py" for name in ("__init__", "kernel", "plugin")}
    assert package < FILES.keys()


@pytest.mark.parametrize("file", FILES)
def test_it_shows_what_is_in_contrib(file: str) -> None:
    assert FILES[file] == (TREE / "contrib" / file).read_text("utf-8")
