"""The probe builds without a warning for both machines; arm64's is not run here."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src"

pytestmark = pytest.mark.skipif(not SOURCES.exists(), reason="needs the sources, which lie in the tree only")


@pytest.mark.parametrize(("compiler", "largest"), [("gcc", 1 << 15), ("aarch64-linux-gnu-gcc", 1 << 17)])
def test_it_builds_small_and_without_a_library(tmp_path, compiler, largest):
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    headers = subprocess.run(
        [compiler, "-E", "-"], input=b"#include <asm/unistd.h>\n", capture_output=True, check=False
    )
    if headers.returncode:
        pytest.skip(f"needs the kernel's headers for {compiler}")
    program = tmp_path / "probe"
    flags = (SOURCES / "compile_flags.txt").read_text().split()
    subprocess.run([compiler, *flags, "-o", program, *SOURCES.glob("*.c")], check=True)
    assert program.stat().st_size < largest
