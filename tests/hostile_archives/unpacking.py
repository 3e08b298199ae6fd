"""Strategies for archives and images, as they fill plain directories."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from haconiwa_rootfs.images.reading import packed
from haconiwa_rootfs.strategies import oci


class Target(SimpleNamespace):
    """What a strategy fills, as plain directories."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder=str(folder.parent), directory=folder / "1", config={}, told=[], layers=[folder / "1"])
        self.directory.mkdir()

    def add_layer(self) -> Path:
        layer = self.directory.parent / str(len(self.layers) + 1)
        layer.mkdir()
        self.layers.append(layer)
        return layer

    def progress(self, text: str) -> None:
        self.told.append(text)


def build(image: str, target: Target, **options: Any) -> list[str]:
    """Return what the image's layers show together."""
    oci.build(oci.Options(image=image, **options), target)
    return shown(target.layers)


def shown(layers: list[Path]) -> list[str]:
    with packed([str(layer) for layer in layers]) as stream:
        listed = subprocess.run(["tar", "-t"], input=stream.read(), capture_output=True, check=True)
        return listed.stdout.decode().split()


def copied(source: str, destination: str, *options: str) -> None:
    subprocess.run(["skopeo", "copy", "--quiet", *options, source, destination], check=True, timeout=60)
