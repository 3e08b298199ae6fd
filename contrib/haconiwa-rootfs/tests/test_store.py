"""What is kept, what is shared, and what is removed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from haconiwa_rootfs.store.roots import Layer, Root, Store, file_of, layer_path
from haconiwa_rootfs.store.trees import measure

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.testing import needs_root


def tree(directory: Path, text: str = "hello", mode: int = 0o644) -> Path:
    (directory / "inner").mkdir(parents=True)
    (directory / "inner" / "file").write_text(text)
    (directory / "inner" / "file").chmod(mode)
    (directory / "link").symlink_to("inner")
    for path in (directory / "inner" / "file", directory / "inner", directory / "link", directory):
        os.utime(path, (1, 1), follow_symlinks=False)
    return directory


def committed(store: Store, text: str = "hello", mode: int = 0o644) -> Layer:
    with store.scratch() as scratch:
        return store.commit(tree(scratch / "tree", text, mode))


def keep(store: Store, key: str, *layers: Layer) -> None:
    store.put(Root(key, layers, time.time(), "test"))


def test_equal_trees_are_one_layer(store: Store) -> None:
    first, second = committed(store), committed(store)
    assert first == second
    assert len(list((store.directory / "layers").glob("*/*"))) == 1
    assert (layer_path(store.directory, first.digest) / "inner" / "file").read_text() == "hello"


def test_what_differs_is_another(store: Store) -> None:
    layers = (committed(store), committed(store, text="hallo"), committed(store, mode=0o600))
    assert len({layer.digest for layer in layers}) == 3


@needs_root
@pytest.mark.parametrize("change", ["owner", "name", "link", "attribute", "time", "kind"])
def test_the_digest_tells_all_that_a_container_sees(tmp_path: Path, change: str) -> None:
    place = tree(tmp_path / "tree")
    before = measure(str(place)).digest
    file = place / "inner" / "file"
    match change:
        case "owner":
            os.chown(file, 1, 1)
        case "name":
            file.rename(file.with_name("other"))
        case "link":
            (place / "link").unlink()
            (place / "link").symlink_to("outer")
            os.utime(place / "link", (1, 1), follow_symlinks=False)
        case "attribute":
            os.setxattr(file, "user.any", b"1")
        case "time":
            os.utime(file, (2, 2))
        case _:
            file.unlink()
            os.mkfifo(file, 0o644)
            os.utime(file, (1, 1))
    for path in (place / "inner", place):
        os.utime(path, (1, 1))
    assert measure(str(place)).digest != before


def test_size_is_that_of_files(store: Store) -> None:
    assert committed(store).size == len("hello")


def test_the_store_is_closed_to_others(store: Store) -> None:
    committed(store)
    assert store.directory.stat().st_mode & 0o777 == 0o700
    store.directory.chmod(0o755)
    with pytest.raises(HaconiwaError, match="mode 0700"):
        committed(store, text="more")


def test_a_damaged_file_is_told(store: Store) -> None:
    keep(store, "a", committed(store))
    file_of(store.directory, "a").write_text("{")
    with pytest.raises(HaconiwaError, match="the root a is damaged"):
        store.find("a")


def test_prune_removes_what_nothing_needs(store: Store) -> None:
    kept, lost = committed(store), committed(store, text="lost")
    keep(store, "kept", kept)
    keep(store, "lost", kept, lost)
    store.forget("lost")
    (store.directory / "scratch" / "crash" / "deep").mkdir(parents=True)
    (store.directory / "scratch" / "crash" / "deep").chmod(0o000)
    (store.directory / "roots" / "tmpcrash").touch()
    assert store.prune() == 3
    assert store.prune() == 0
    assert [Path(path).is_dir() for path in store.layers("kept") or ()] == [True]


def test_a_crash_leaves_nothing_that_counts(store: Store, tmp_path: Path) -> None:
    """Killed between layer and root: the next one begins anew, and `prune` removes what is left."""
    program = (
        "import os, sys; from pathlib import Path; from haconiwa_rootfs.store.roots import Store\n"
        "store = Store()\n"
        "with store.changing(), store.scratch() as scratch:\n"
        "    (scratch / 'tree').mkdir(); layer = store.commit(scratch / 'tree'); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert store.roots() == []
    assert store.prune() == 2
    with store.changing():
        keep(store, "a", committed(store))
    assert [root.key for root in store.roots()] == ["a"]


def test_one_changes_it_at_a_time(store: Store, tmp_path: Path) -> None:
    program = (
        "import sys; from haconiwa_rootfs.store.roots import Store\n"
        "with Store().changing(): print('in', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdin is not None
        assert first.stdout.readline() == "in\n"
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as second:
            assert second.stdout is not None
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(0.5)
            first.stdin.close()
            assert second.stdout.readline() == "in\n"
            assert second.stdin is not None
            second.stdin.close()
