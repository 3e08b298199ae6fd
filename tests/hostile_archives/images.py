"""Images in OCI's layout, and what they can say that is wrong."""

import gzip
import hashlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hostile_archives.corpus import Member, archive, directory

NAME = "org.opencontainers.image.ref.name"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
OWN = {"os": "linux", "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]}
LOWER = archive(directory("d"), Member("d/gone", content=b"x"), Member("d/stays", content=b"y"))
UPPER = archive(directory("d"), Member("d/.wh.gone"), Member("new", content=b"z"))


class Layout:
    """A layout that can be made wrong in all ways."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def document(self, document: Any, media_type: str, **more: Any) -> dict[str, Any]:
        return self.blob(json.dumps(document).encode(), media_type, **more)

    def config(self, *plain: bytes, **more: Any) -> dict[str, Any]:
        ids = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in plain]
        document = {**OWN, "config": {"Cmd": ["/new"]}, "rootfs": {"type": "layers", "diff_ids": ids}, **more}
        return self.document(document, "application/vnd.oci.image.config.v1+json")

    def layers(self, *plain: bytes) -> list[dict[str, Any]]:
        return [self.blob(gzip.compress(data), "application/vnd.oci.image.layer.v1.tar+gzip") for data in plain]

    def manifest(self, *plain: bytes, **more: Any) -> dict[str, Any]:
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.config(*plain),
            "layers": self.layers(*plain),
            **more,
        }

    def index(self, *entries: dict[str, Any], **more: Any) -> None:
        document = {"schemaVersion": 2, "manifests": list(entries), **more}
        (self.folder / "index.json").write_text(json.dumps(document))

    def image(self, *plain: bytes, tag: str = "one", **more: Any) -> dict[str, Any]:
        manifest = self.manifest(*plain)
        return self.document(manifest, MANIFEST, annotations={NAME: tag}, **more)


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def blob(layout: Layout, entry: dict[str, Any]) -> Path:
    return layout.folder / "blobs/sha256" / entry["digest"].removeprefix("sha256:")


def flipped_manifest(layout: Layout) -> None:
    entry = layout.image(LOWER)
    flip(blob(layout, entry))
    layout.index(entry)


def flipped_config(layout: Layout) -> None:
    layout.index(layout.image(LOWER))
    flip(blob(layout, layout.config(LOWER)), 3)


def flipped_layer(layout: Layout) -> None:
    layout.index(layout.image(LOWER))
    flip(blob(layout, layout.layers(LOWER)[0]), 4)  # The time in gzip's header.


def other_layer(layout: Layout) -> None:
    manifest = layout.manifest(LOWER)
    manifest["layers"] = layout.layers(UPPER)
    layout.index(layout.document(manifest, MANIFEST))


def size_lie(layout: Layout) -> None:
    layout.index({**layout.image(LOWER), "size": 10})


def layer_size_lie(layout: Layout) -> None:
    manifest = layout.manifest(LOWER)
    manifest["layers"][0]["size"] += 1
    layout.index(layout.document(manifest, MANIFEST))


def negative_size(layout: Layout) -> None:
    layout.index({**layout.image(LOWER), "size": -1})


def size_is_true(layout: Layout) -> None:
    layout.index({**layout.image(LOWER), "size": True})


def path_as_digest(layout: Layout) -> None:
    layout.index({**layout.image(LOWER), "digest": "sha256:../../../../etc/passwd"})


def path_as_algorithm(layout: Layout) -> None:
    layout.index({**layout.image(LOWER), "digest": "../..:" + "0" * 64})


def blob_is_a_symlink_out(layout: Layout) -> None:
    entry = layout.image(LOWER)
    path = blob(layout, entry)
    path.rename(layout.folder.parent / "outside")
    path.symlink_to(layout.folder.parent / "outside")
    layout.index(entry)


def blob_is_a_pipe(layout: Layout) -> None:
    entry = layout.image(LOWER)
    blob(layout, entry).unlink()
    os.mkfifo(blob(layout, entry))
    layout.index(entry)


def blob_is_missing(layout: Layout) -> None:
    entry = layout.image(LOWER)
    blob(layout, entry).unlink()
    layout.index(entry)


def key_twice(layout: Layout) -> None:
    text = json.dumps(layout.manifest(LOWER))
    other = json.dumps(layout.layers(UPPER))
    layout.index(layout.blob(f'{text[:-1]}, "layers": {other}}}'.encode(), MANIFEST))


def manifest_and_index(layout: Layout) -> None:
    manifest = layout.manifest(LOWER, manifests=[layout.image(UPPER, platform=OWN)])
    layout.index(layout.document(manifest, MANIFEST))


def index_and_manifest(layout: Layout) -> None:
    index = {"schemaVersion": 2, "manifests": [layout.image(LOWER, platform=OWN)], **layout.manifest(UPPER)}
    index["mediaType"] = INDEX
    layout.index(layout.document(index, INDEX))


def media_types_differ(layout: Layout) -> None:
    layout.index({**layout.image(LOWER), "mediaType": INDEX})


def unknown_media_type(layout: Layout) -> None:
    layout.index({**layout.image(LOWER), "mediaType": "text/plain"})


def same_platform_twice(layout: Layout) -> None:
    entries = [layout.image(LOWER, platform=OWN), layout.image(UPPER, platform=OWN)]
    layout.index(layout.document({"schemaVersion": 2, "manifests": entries}, INDEX))


def same_name_twice(layout: Layout) -> None:
    layout.index(layout.image(LOWER), layout.image(UPPER))


def index_in_itself(layout: Layout) -> None:
    """Return indexes below one another, as far as they can go."""
    entry = layout.image(LOWER, platform=OWN)
    for _ in range(6):
        entry = layout.document({"schemaVersion": 2, "manifests": [entry]}, INDEX, platform=OWN)
    layout.index(entry)


def other_schema(layout: Layout) -> None:
    layout.index(layout.document(layout.manifest(LOWER, schemaVersion=1), MANIFEST))


def fewer_diff_ids(layout: Layout) -> None:
    layout.index(layout.document(layout.manifest(LOWER, UPPER, config=layout.config(LOWER)), MANIFEST))


def no_layers(layout: Layout) -> None:
    layout.index(layout.image())


def many_layers(layout: Layout) -> None:
    layout.index(layout.image(*[LOWER] * 128))


def layer_elsewhere(layout: Layout) -> None:
    manifest = layout.manifest(LOWER)
    manifest["layers"][0]["urls"] = ["http://127.0.0.1/"]
    layout.index(layout.document(manifest, MANIFEST))


def other_version(layout: Layout) -> None:
    layout.index(layout.image(LOWER))
    (layout.folder / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')


def deep_json(layout: Layout) -> None:
    layout.index(layout.image(LOWER))
    (layout.folder / "index.json").write_text('{"manifests":' + "[" * 100_000 + "]" * 100_000 + "}")


def large_document(layout: Layout) -> None:
    layout.index(layout.image(LOWER), annotations={"x": "y" * (5 << 20)})


def hostile_layer(layout: Layout) -> None:
    layout.index(layout.image(archive(Member("../x"))))


WRONG = {
    flipped_manifest: "what refers to it says",
    flipped_config: "what refers to it says",
    flipped_layer: "what refers to it says",
    other_layer: "what refers to it says",
    size_lie: "what refers to it says 10",
    layer_size_lie: "bytes, and what refers to it says",
    negative_size: "has a size of -1",
    size_is_true: "size is not what it must be",
    path_as_digest: "a digest is sha256",
    path_as_algorithm: "a digest is sha256",
    blob_is_a_symlink_out: "leads out of the image",
    blob_is_a_pipe: "no regular file",
    blob_is_missing: "No such file",
    key_twice: "has a key twice",
    manifest_and_index: "could be a manifest and an index",
    index_and_manifest: "could be a manifest and an index",
    media_types_differ: "could be a manifest and an index",
    unknown_media_type: "no image that is understood",
    same_platform_twice: "the index has 2 images",
    same_name_twice: "there are 2 images called one",
    index_in_itself: "more than 3 indexes",
    other_schema: "schema version 2",
    fewer_diff_ids: "knows 1 layers, and the image has 2",
    no_layers: "it has 0 layers",
    many_layers: "it has 128 layers",
    layer_elsewhere: "fetched from elsewhere",
    other_version: "layouts of version 1.0.0",
    deep_json: "no JSON",
    large_document: "more than 4194304 bytes",
    hostile_layer: "leads out of the directory",
}


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run a registry of images without TLS; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "registry.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
    )
    server = subprocess.Popen(["docker-registry", "serve", folder / "registry.yml"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline
            assert server.poll() is None
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
