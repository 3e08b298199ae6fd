"""Images that fit together are unpacked; those that lie, or could mean two things, are refused."""

import gzip
import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from haconiwa_rootfs.strategies import tar
from haconiwa_rootfs.strategy import Target
from hostile_archives.corpus import Member, archive, directory, hard, link
from hostile_archives.images import INDEX, LOWER, OWN, UPPER, WRONG, Layout, registry, same_name_twice
from hostile_archives.unpacking import build, copied, shown, target_in

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("skopeo"), needs_program("docker-registry")]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return target_in(tmp_path / "target")


BOTH = ["./", "d/", "d/stays", "new"]


def test_a_layout(layout, target):
    layout.index(layout.image(LOWER, UPPER))
    assert build("oci:layout", target) == BOTH
    assert target.config == {"Cmd": ["/new"]}


def test_a_tag_among_several(layout, target):
    layout.index(layout.image(LOWER, tag="one"), layout.image(LOWER, UPPER, tag="two"))
    with pytest.raises(HaconiwaError, match="there are 2 images; it has one, two"):
        build("oci:layout", target)
    with pytest.raises(HaconiwaError, match="there are 0 images called three"):
        build("oci:layout:three", target)
    assert build("oci:layout:two", target) == BOTH


def test_a_platform_of_an_index(layout, target):
    other = {"os": "linux", "architecture": "s390x"}
    entries = [layout.image(LOWER, UPPER, platform=OWN), layout.image(LOWER, platform=other)]
    inner = layout.document({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX)
    layout.index(inner)
    assert build("oci:layout", target) == BOTH
    with pytest.raises(HaconiwaError, match="0 images for linux/riscv64; it has linux/amd64, linux/s390x"):
        build("oci:layout", target, platform="linux/riscv64")
    with pytest.raises(HaconiwaError, match="is for linux/amd64, and linux/s390x is wanted"):
        build("oci:layout", target, platform="linux/s390x")


def test_a_digest(layout, target):
    entry = layout.image(LOWER, UPPER)
    layout.index(entry)
    with pytest.raises(HaconiwaError, match="is wanted"):
        build("oci:layout", target, digest="sha256:" + "0" * 64)
    assert build("oci:layout", target, digest=entry["digest"]) == BOTH


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_refused(wrong, layout, target):
    wrong(layout)
    with pytest.raises(HaconiwaError, match=WRONG[wrong]):
        build("oci:layout:one" if wrong is same_name_twice else "oci:layout", target)


@pytest.mark.parametrize("form", ["docker-archive:image.tar:registry.example/name:tag", "oci-archive:image.tar:tag"])
def test_archives_of_images(form, layout, target, tmp_path):
    layout.index(layout.image(LOWER, UPPER))
    transport, _, rest = form.partition(":")
    copied(f"oci:{layout.folder}", f"{transport}:{tmp_path}/{rest}")
    assert build(form, target) == BOTH
    assert target.config["Cmd"] == ["/new"]


def repacked(folder: Path, change) -> None:
    """Change files of an archive."""
    with tarfile.open(folder / "image.tar") as opened:
        opened.extractall(folder / "opened")
    change(folder / "opened")
    subprocess.run(["tar", "-C", folder / "opened", "-cf", folder / "image.tar", "."], check=True)


def other_config(folder: Path) -> None:
    path = next(path for path in folder.glob("*.json") if path.name != "manifest.json")
    path.write_text(path.read_text().replace("/new", "/bad"))


def other_layers(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest[0]["Layers"].reverse()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def layer_out(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest[0]["Layers"][0] = "../../etc/passwd"
    (folder / "manifest.json").write_text(json.dumps(manifest))


def images_twice(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest * 2))


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (other_config, "which its name must say"),
        (other_layers, "what refers to it says"),
        (layer_out, "leads out of the image"),
        (images_twice, "there are 2 images"),
    ],
)
def test_archives_of_docker_that_lie(change, refused, layout, target, tmp_path):
    layout.index(layout.image(LOWER, UPPER))
    copied(f"oci:{layout.folder}", f"docker-archive:{tmp_path}/image.tar:name:tag")
    repacked(tmp_path, change)
    with pytest.raises(HaconiwaError, match=refused):
        build("docker-archive:image.tar", target)


def test_an_archive_with_its_digest(tmp_path, target):
    data = gzip.compress(archive(directory("d"), Member("d/a"), hard("b", "d/a"), link("l", "b")))
    (tmp_path / "root.tar.gz").write_bytes(data)
    with pytest.raises(HaconiwaError, match="is wanted"):
        tar.build(tar.Options("root.tar.gz", digest="sha256:" + "0" * 64), target_in(tmp_path / "other"))
    tar.build(tar.Options("root.tar.gz", digest=f"sha256:{hashlib.sha256(data).hexdigest()}"), target)
    assert shown(target.layers) == ["./", "b", "d/", "d/a", "l"]


def test_pull_from_a_registry(layout, target, tmp_path):
    layout.index(layout.image(LOWER, UPPER))
    with registry(tmp_path) as address:
        copied(f"oci:{layout.folder}", f"docker://{address}/some/name:tag", "--dest-tls-verify=false")
        assert build(f"docker://{address}/some/name:tag", target, tls_verify=False) == BOTH
        with pytest.raises(HaconiwaError, match=r"skopeo: .*HTTP"):
            build(f"docker://{address}/some/name:tag", target)  # Control: it has no TLS.
