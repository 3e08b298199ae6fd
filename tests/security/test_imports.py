"""What root imports: only what nobody else can write, and nothing that lies around the caller."""

import os
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import haconiwa_core
from haconiwa_core.testing import haconiwa_command

DEFINITION = "from haconiwa_core.container import Container\nc = Container('c', ['/bin/true'])\n"


def call(command, **how):
    return subprocess.run(command, check=False, **{"capture_output": True, "text": True, **how})


def planted(folder, marker):
    """Install a plugin that leaves a mark when it is imported."""
    package = folder / "planted"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(marker)!r}, 'w')\n")
    metadata = folder / "haconiwa_planted-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: haconiwa-planted\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[haconiwa.v1.features]\nplanted = planted\n")


STRANGER = 4321
USE_IT = ("plan", "--with", "planted", "--", "true")


@pytest.mark.parametrize(("mode", "owner"), [(0o777, 0), (0o1777, 0), (0o755, 65534)])
@pytest.mark.parametrize(
    "place",
    ["", "planted", "planted/__init__.py", "haconiwa_planted-1.dist-info", "haconiwa_planted-1.dist-info/METADATA"],
)
def test_root_imports_nothing_that_others_can_write(tmp_path, place, mode, owner):
    folder, marker = tmp_path / "site", tmp_path / "marker"
    planted(folder, marker)
    command = [*haconiwa_command(folder), *USE_IT]
    done = call(command)
    assert marker.exists(), done.stderr
    marker.unlink()
    os.chown(folder / place, owner, 0)
    (folder / place).chmod(mode)
    done = call(command)
    assert done.returncode == 2
    assert "refused, for it would run as root" in done.stderr
    assert str(folder / place) in done.stderr
    assert not marker.exists()


def test_under_sudo_the_callers_own_are_imported(tmp_path):
    folder, marker = tmp_path / "site", tmp_path / "marker"
    planted(folder, marker)
    os.chown(folder / "planted" / "__init__.py", STRANGER, 0)
    for user in (STRANGER + 1, STRANGER):
        done = call([*haconiwa_command(folder), *USE_IT], env={"SUDO_UID": str(user)})
        assert ("refused, for it would run as root" in done.stderr) == (user != STRANGER)
        assert marker.exists() == (user == STRANGER)


def test_programs_of_root_import_no_such_plugin_either(tmp_path):
    """Where they look for modules is for them to say."""
    folder, marker = tmp_path / "site", tmp_path / "marker"
    planted(folder, marker)
    program = "from haconiwa_core.plugins.loading import Plugins; Plugins().feature_class('planted')"
    how = {"env": {"PYTHONPATH": str(folder)}}
    assert "does not implement haconiwa_feature" in call([sys.executable, "-c", program], **how).stderr
    marker.unlink()
    folder.chmod(0o777)
    assert f"plugin planted: {folder}/planted: refused" in call([sys.executable, "-c", program], **how).stderr
    assert not marker.exists()


def test_a_link_to_what_others_can_write_is_refused(tmp_path):
    folder, marker = tmp_path / "site", tmp_path / "marker"
    planted(folder, marker)
    elsewhere = tmp_path / "elsewhere.py"
    (folder / "planted" / "__init__.py").rename(elsewhere)
    elsewhere.chmod(0o666)
    (folder / "planted" / "__init__.py").symlink_to(elsewhere)
    done = call([*haconiwa_command(folder), *USE_IT])
    assert f"{elsewhere} can be written by others" in done.stderr
    assert not marker.exists()


def test_a_definition_imports_nothing_that_others_can_write(tmp_path):
    folder, marker, file = tmp_path / "site", tmp_path / "marker", tmp_path / "c.py"
    planted(folder, marker)
    file.write_text(f"import planted\n{DEFINITION}")
    command = [*haconiwa_command(folder), "plan", file]
    assert call(command).returncode == 0
    marker.unlink()
    (folder / "planted").chmod(0o777)
    done = call(command)
    assert f"{folder}/planted can be written by others (mode 0777)" in done.stderr
    assert not marker.exists()


SCRIPT = "import sys\nfrom haconiwa_core.cli.main import main\nsys.exit(main())\n"
"""What an installer makes of the entry point."""


@pytest.fixture
def program(tmp_path):
    """The command line of an environment with the packages of this one, which takes in the user's own."""
    venv.create(tmp_path / "venv", symlinks=True, system_site_packages=True)
    (site_packages,) = tmp_path.glob("venv/lib/python*/site-packages")
    (site_packages / "these.pth").write_text(f"import site; [*map(site.addsitedir, {site.getsitepackages()!r})]\n")
    program = tmp_path / "venv" / "bin" / "haconiwa"
    program.write_text(f"#!{program.with_name('python')}\n{SCRIPT}")
    program.chmod(0o755)
    return program


LEADING = {
    "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}",
    "PYTHONPATH": "/nonexistent",
    "PYTHONPLATLIBDIR": "lib",
    "PYTHONPYCACHEPREFIX": "/nonexistent",
    "PYTHONUSERBASE": "/nonexistent",
}


@pytest.mark.parametrize(("name", "value"), LEADING.items())
def test_variables_that_decide_what_is_imported_are_refused(program, name, value):
    how = {"env": {name: value}}
    done = call([program, "version"], **how)
    assert done.returncode == 2
    assert f"refused, for it would run as root: ${name} decides what is imported" in done.stderr
    assert call([program.with_name("python"), "-E", program, "version"], **how).returncode == 0
    assert call([program, "version"], **how | {"env": {name: ""}}).returncode == 0


@pytest.mark.parametrize("place", ["beside the program", "working directory", "the user's own"])
def test_root_finds_no_plugin_around_the_caller(tmp_path, program, place):
    python = program.with_name("python")
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    user = subprocess.check_output([python, "-c", "import site; print(site.USER_SITE)"], env=environment, text=True)
    folder = {"beside the program": program.parent, "working directory": tmp_path / "work"}.get(
        place, Path(user.strip())
    )
    marker = tmp_path / "marker"
    planted(folder, marker)
    how = {"env": environment, "cwd": folder if place == "working directory" else tmp_path}
    beside = program.with_name("import_it")
    beside.write_text("import planted")
    # Python itself would import it.
    call([python, beside if place == "beside the program" else "-m", "planted"], **how)
    assert marker.exists()
    marker.unlink()
    for command in ([program], [python, "-m", "haconiwa_core"], [python, "-c", SCRIPT]):
        done = call([*command, *USE_IT], **how)
        assert "no such feature" in done.stderr
        assert not marker.exists()


def test_a_program_that_lies_where_root_does_not_look_says_so(tmp_path, program):
    """A checkout that is not installed."""
    tree = Path(haconiwa_core.__file__).parents[1]
    python = program.with_name("python")
    shutil.copytree(tree / "haconiwa_core", tmp_path / "tree" / "haconiwa_core")
    how = {"cwd": tmp_path / "tree"}
    done = call([python, "-m", "haconiwa_core", "version"], **how)
    assert done.returncode == 2
    assert f"refused, for root does not import from {tmp_path}/tree; install haconiwa-core" in done.stderr


LOAD_BY_STEVEDORE = """
import sys; sys.path.insert(0, sys.argv[1])
sys.executable = "/python"  # stevedore keeps no cache for one below /tmp.
from stevedore import ExtensionManager
ExtensionManager("haconiwa.v1.features", on_load_failure_callback=lambda *_: None)
"""


def test_a_cache_that_somebody_has_forged_decides_nothing(tmp_path):
    """stevedore has one below the home directory, or where XDG_CACHE_HOME says."""
    folder, marker, forged = tmp_path / "site", tmp_path / "marker", tmp_path / "forged"
    planted(folder, marker)
    (folder / "swapped.py").write_text(f"open({str(forged)!r}, 'w')\n")
    how = {"env": {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": os.environ["PATH"]}}
    by_stevedore = [sys.executable, "-I", "-c", LOAD_BY_STEVEDORE, folder]
    assert call(by_stevedore, **how).returncode == 0
    caches = list((tmp_path / "cache").rglob("*"))
    for cache in filter(Path.is_file, caches):
        cache.write_text(cache.read_text().replace('"planted", "planted"', '"planted", "swapped"'))
    call(by_stevedore, **how)
    assert forged.exists(), caches
    forged.unlink()
    marker.unlink()
    for arguments in (USE_IT, ("plugins", "list", "--load")):
        call([*haconiwa_command(folder), *arguments], **how)
        assert marker.exists()
        assert not forged.exists()
