"""What is uploaded holds what it should, and nothing else."""

import io
import tarfile
import zipfile

import pytest
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from release.artefacts import NAMES, checked_by_twine, contents_of, sdist_problems, wheel_problems


def test_each_distribution_has_both(dist):
    assert sorted(parse_sdist_filename(file.name)[0] for file in dist.glob("*.tar.gz")) == NAMES
    assert sorted(parse_wheel_filename(file.name)[0] for file in dist.glob("*.whl")) == NAMES


def test_nothing_is_wrong_with_any(dist):
    problems = {file.name: list(wheel_problems(file)) for file in dist.glob("*.whl")}
    problems |= {file.name: list(sdist_problems(file)) for file in dist.glob("*.tar.gz")}
    assert {name: found for name, found in problems.items() if found} == {}


def test_an_sdists_wheel_is_the_trees(dist, wheels):
    """Nothing that the tree has is missing in an sdist; the same sources give the same bytes."""
    assert {file.name: file.read_bytes() for file in dist.glob("*.whl")} == {
        file.name: file.read_bytes() for file in wheels.glob("*.whl")
    }


def test_an_index_would_take_the_metadata(dist):
    done = checked_by_twine(sorted(dist.glob("haconiwa*")))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2 * len(NAMES)


def remake(wheel, folder, change):
    """Write a wheel with other contents, and return it."""
    with zipfile.ZipFile(folder / wheel.name, "w") as archive:
        for name, content in change(contents_of(wheel)).items():
            archive.writestr(name, content)
    return folder / wheel.name


WITHOUT = "haconiwa_rlimit-{}.dist-info/licenses/LICENSE"
METADATA = "haconiwa_rlimit-{}.dist-info/METADATA"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda files, _: files | {"haconiwa_rlimit/__pycache__/plugin.cpython-311.pyc": b""}, "none of its business"),
        (lambda files, _: files | {"tests/test_plugin.py": b""}, "none of its business"),
        (lambda files, _: without(files, "haconiwa_rlimit/py.typed"), "py.typed is missing"),
        (lambda files, version: without(files, WITHOUT.format(version)), "the licence is missing"),
        (
            lambda files, version: edited(files, METADATA.format(version), b">=3.11", b">=3.9"),
            "Requires-Python is >=3.9",
        ),
        (lambda files, version: edited(files, METADATA.format(version), b"Typing :: ", b""), "Typing :: Typed"),
        (lambda files, version: edited(files, METADATA.format(version), b"haconiwa-", b"other-"), "the name is other-"),
    ],
)
def test_what_is_wrong_with_a_wheel_is_told(dist, tmp_path, change, problem):
    (wheel,) = dist.glob("haconiwa_rlimit-*.whl")
    version = parse_wheel_filename(wheel.name)[1]
    (found,) = wheel_problems(remake(wheel, tmp_path, lambda files: change(files, version)))
    assert problem in found


def test_a_wheel_for_any_linux_is_told(dist, tmp_path):
    (wheel,) = dist.glob("haconiwa_rlimit-*.whl")
    renamed = tmp_path / wheel.name.replace("-any.whl", "-linux_x86_64.whl")
    renamed.write_bytes(wheel.read_bytes())
    (found,) = wheel_problems(renamed)
    assert "manylinux" in found


def test_what_is_wrong_with_an_sdist_is_told(dist, tmp_path):
    (sdist,) = dist.glob("haconiwa_rlimit-*.tar.gz")
    with tarfile.open(tmp_path / sdist.name, "w:gz") as archive:
        for name, content in {**without(contents_of(sdist), "LICENSE"), "tests/test_plugin.py": b""}.items():
            member = tarfile.TarInfo(f"folder/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    found = list(sdist_problems(tmp_path / sdist.name))
    assert found == ["tests/test_plugin.py is none of its business", "the licence is missing"]


def test_metadata_that_no_index_would_take_is_told(dist, tmp_path):
    (wheel,) = dist.glob("haconiwa_rlimit-*.whl")
    version = parse_wheel_filename(wheel.name)[1]
    changed = remake(
        wheel, tmp_path, lambda files: edited(files, METADATA.format(version), b"text/markdown", b"text/x-nothing")
    )
    assert checked_by_twine([changed]).returncode == 1


def without(files, name):
    assert name in files
    return {each: content for each, content in files.items() if each != name}


def edited(files, name, old, new):
    assert old in files[name]
    return files | {name: files[name].replace(old, new)}
