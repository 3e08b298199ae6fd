"""The launcher builds without a warning for both machines; arm64's is not run here."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src"

pytestmark = pytest.mark.skipif(not SOURCES.exists(), reason="needs the sources, which lie in the tree only")


@pytest.mark.parametrize("compiler", ["gcc", "aarch64-linux-gnu-gcc"])
def test_it_builds_small_and_without_a_library(tmp_path, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    program = tmp_path / "launcher"
    flags = (SOURCES / "compile_flags.txt").read_text().split()
    subprocess.run([compiler, *flags, "-o", program, *SOURCES.glob("*.c")], check=True)
    assert program.stat().st_size < 16384
