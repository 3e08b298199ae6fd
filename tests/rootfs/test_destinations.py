"""Roots are written as archives and images, equal ones equally, and other tools read them."""

import json
import os
import struct
import subprocess
from functools import partial
from pathlib import Path

import pytest
from haconiwa_rootfs.images.destinations import export
from haconiwa_rootfs.images.packing import pack
from haconiwa_rootfs.images.writing import write_layout
from haconiwa_rootfs.strategy import Target
from hostile_archives.corpus import Member, archive
from hostile_archives.images import LOWER, UPPER, Layout, registry
from hostile_archives.unpacking import build, copied, target_in

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, *map(needs_program, ("skopeo", "umoci", "docker-registry", "zstd"))]

CAPABILITY = struct.pack("<5I", 0x0200_0001, 1 << 10, 0, 0, 0)
"""CAP_NET_BIND_SERVICE, permitted and effective (capabilities(7))."""


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return target_in(tmp_path / "target")


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


def write_tree(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/file").write_bytes(b"x" * 3000)
    (folder / "same").hardlink_to(folder / "sub/file")
    (folder / "link").symlink_to("sub/file")
    (folder / "sub/file").chmod(0o4711)
    os.setxattr(folder / "sub/file", "user.note", b"\xff")
    os.setxattr(folder / "sub/file", "security.capability", CAPABILITY)
    for path in sorted(folder.rglob("*")):
        os.utime(path, (7, 7), follow_symlinks=False)
    os.utime(folder, (7, 7))


def test_equal_trees_give_equal_images_which_others_read(tmp_path, target):
    for name in ("a", "b"):
        write_tree(tmp_path / name)
    digests = {
        write_layout(str(tmp_path / f"layout-{name}"), "tag", partial(pack, [str(tmp_path / name)]), {"Cmd": ["x"]})
        for name in ("a", "b")
    }
    assert len(digests) == 1
    copied(f"oci:{tmp_path}/layout-a:tag", f"dir:{tmp_path}/dir")
    subprocess.run(["umoci", "unpack", "--image", f"{tmp_path}/layout-a:tag", tmp_path / "bundle"], check=True)
    build("oci:layout-a:tag", target)
    for tree in (tmp_path / "bundle/rootfs", target.directory):
        subprocess.run(["diff", "-r", "--no-dereference", tmp_path / "a", tree], check=True)
        assert (tree / "same").stat().st_ino == (tree / "sub/file").stat().st_ino
        assert (tree / "sub/file").stat().st_mode & 0o7777 == 0o4711
        assert os.getxattr(tree / "sub/file", "user.note") == b"\xff"
        assert os.getxattr(tree / "sub/file", "security.capability") == CAPABILITY


def test_a_layout_keeps_its_other_images(tmp_path, target):
    for tag in ("one", "two", "one"):
        (tmp_path / "tree" / tag).mkdir(parents=True, exist_ok=True)
        write_layout(str(tmp_path / "layout"), tag, partial(pack, [str(tmp_path / "tree")]), {})
    assert build("oci:layout:two", target) == ["./", "one/", "two/"]
    assert len(json.loads((tmp_path / "layout/index.json").read_text())["manifests"]) == 2


def test_a_name_like_a_whiteout_cannot_be_in_an_image(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/.wh.passwd").touch()
    with pytest.raises(HaconiwaError, match="means that another file is removed"):
        write_layout(str(tmp_path / "layout"), "x", partial(pack, [str(tmp_path / "tree")], for_image=True), {})


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.xz", ".tar.zst"])
def test_archives(ending, tmp_path, scratch):
    written = []
    for name in ("a", "b"):
        write_tree(tmp_path / name)
        path = tmp_path / f"{name}{ending}"
        export([str(tmp_path / name)], {}, str(path), tls_verify=True, scratch=scratch)
        written.append(path.read_bytes())
        assert path.stat().st_mode & 0o777 == 0o644
    assert written[0] == written[1]
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "--xattrs", "-C", tmp_path / "out", "-xpf", tmp_path / f"a{ending}"], check=True)
    subprocess.run(["diff", "-r", "--no-dereference", tmp_path / "a", tmp_path / "out"], check=True)
    assert os.getxattr(tmp_path / "out/sub/file", "user.note") == b"\xff"


def test_layers_are_merged_as_the_kernel_does(tmp_path, target):
    layout = Layout(tmp_path / "layout")
    replaced = archive(Member("d"))  # A file in place of a directory, which comes back empty.
    again = archive(Member("d/back"), Member("e/old"), Member("f/old"))
    opaque = archive(Member("e/.wh..wh..opq"), Member("e/new"), Member(".wh.f"))
    layout.index(layout.image(LOWER, UPPER, replaced, again, opaque))
    shown = build("oci:layout", target)
    layers = ":".join(str(layer) for layer in reversed(target.layers))
    (tmp_path / "merged").mkdir()
    script = f"mount -t overlay -o userxattr,lowerdir={layers} none merged && cd merged && find . -mindepth 1"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.split()) == sorted(f"./{path.rstrip('/')}" for path in shown if path != "./")
    assert sorted(shown) == ["./", "d/", "d/back", "e/", "e/new", "new"]


def test_push_and_pull(tmp_path, target, scratch):
    write_tree(tmp_path / "tree")
    with registry(tmp_path) as address:
        name = f"docker://{address}/pushed:one"
        export([str(tmp_path / "tree")], {"Cmd": ["x"]}, name, tls_verify=False, scratch=scratch)
        build(name, target, tls_verify=False)
    assert target.config["Cmd"] == ["x"]
    subprocess.run(["diff", "-r", "--no-dereference", tmp_path / "tree", target.directory], check=True)


def test_other_transports(tmp_path, target, scratch):
    write_tree(tmp_path / "tree")
    image = "docker-archive:i.tar:registry.example/a/b:c"
    destination = image.replace("i.tar", f"{tmp_path}/i.tar")
    export([str(tmp_path / "tree")], {}, destination, tls_verify=True, scratch=scratch)
    build(image, target)
    subprocess.run(["diff", "-r", "--no-dereference", tmp_path / "tree", target.directory], check=True)


def test_a_failure_leaves_what_was_there(tmp_path, scratch):
    path = tmp_path / "a.tar"
    path.write_text("before")
    with pytest.raises(HaconiwaError, match="No such file"):
        export([str(tmp_path / "missing")], {}, str(path), tls_verify=True, scratch=scratch)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.tar", "before")]


@pytest.mark.parametrize("destination", ["somewhere", "a.zip", "./a:b"])
def test_what_is_no_destination(destination, tmp_path, scratch):
    with pytest.raises(HaconiwaError, match="neither the path of an archive"):
        export([str(tmp_path)], {}, destination, tls_verify=True, scratch=scratch)
