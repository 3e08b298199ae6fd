"""Whatever the checks of the static launcher let pass stays within its bytes."""

import subprocess
from pathlib import Path

import pytest

from haconiwa_core.launch.encoding import encode
from haconiwa_core.testing import needs_program, plan_of

SOURCES = Path(__file__).parents[1] / "src"


@needs_program("gcc")
@pytest.mark.skipif(not SOURCES.exists(), reason="needs the sources, which lie beside the tests in the tree only")
def test_mutated_programs_stay_within_their_bytes(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(encode(plan_of().program))
    harness = tmp_path / "fuzz"
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize=alignment", "-fno-sanitize-recover=all"]
    source = Path(__file__).with_name("fuzz.c")
    subprocess.run(["gcc", *flags, "-I", SOURCES, "-o", harness, source], check=True)
    done = subprocess.run([harness, program, "100000"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    accepted = int(done.stdout.split()[0])
    assert 0 < accepted < 100000
