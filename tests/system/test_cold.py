"""What a cold `haconiwa run` loads: its own way, the plugins that are named, and nothing that it does not use."""

import subprocess
import sys

import pytest

from haconiwa_core.testing import needs_root
from haconiwa_core.testing.roots import busybox_root

NEVER = {
    *("asyncio", "concurrent.futures", "multiprocessing", "subprocess", "tomli_w"),
    *("email", "http", "ssl", "urllib.request", "xml"),
    *("hashlib", "hmac", "random", "secrets", "uuid"),
    *("bz2", "lzma", "shutil", "tempfile", "zipfile"),
    *("calendar", "importlib.metadata", "logging", "traceback"),
    *("difflib", "pdb", "pprint", "platform", "unittest"),
    *("attr", "rich", "structlog", "stevedore"),
    *("hypothesis", "pytest", "packaging"),
    *("haconiwa_core.testing", "haconiwa_core.isolation"),
    *(f"haconiwa_core.cli.{verb}" for verb in ("diff", "gc", "output", "plan", "plugins", "version")),
    *(f"haconiwa_core.definition.{kind}" for kind in ("helpers", "python")),
}

PROGRAM = """
import sys
before = set(sys.modules)
from haconiwa_core.cli.main import main
status = main(sys.argv[1:])
print(*sorted({*sys.modules} - before))
sys.exit(status)
"""


def loaded_by(*arguments):
    """Return the modules that a command line loads in a fresh interpreter, beyond those of every start of it."""
    command = [sys.executable, "-I", "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture
def definition(tmp_path):
    file = tmp_path / "web.toml"
    sections = "[ns-mount]\n[ns-pid]\n[ns-uts]\n[ns-ipc]\n[mount]\nproc = true\n[rlimit]\nnofile = 1024\n"
    file.write_text(f'command = ["/bin/true"]\n{sections}[chroot]\nroot = "{busybox_root(tmp_path)}"\n')
    return file


@needs_root
def test_a_cold_run_loads_nothing_that_it_does_not_use(definition, leaves_nothing):
    loaded = loaded_by("run", "--rm", definition)
    assert sorted(loaded & NEVER) == []
    packages = {name.partition(".")[0] for name in loaded if name.startswith("haconiwa")}
    named = {"haconiwa_chroot", "haconiwa_mount", "haconiwa_rlimit"}
    kinds = {f"haconiwa_ns_{kind}" for kind in ("ipc", "mount", "pid", "uts")}
    assert packages - {"haconiwa_launcher"} == {"haconiwa_core", *named, *kinds}


def test_what_is_loaded_would_be_noticed(tmp_path):
    """A Python definition loads what it imports."""
    file = tmp_path / "web.py"
    file.write_text("import asyncio\nfrom haconiwa_core import Container\nweb = Container('web', ['true'])\n")
    loaded = loaded_by("plan", "--launcher", "direct", file)
    assert {"asyncio", "haconiwa_core.definition.python", "haconiwa_core.cli.plan"} <= loaded
