"""Docker archives for compare and scale."""

import hashlib, io, json, os, shutil, tarfile


def add(tar, path, data):
    """Adds bytes, or the file of this name, to a tar."""
    info = tarfile.TarInfo(path)
    info.size = len(data) if isinstance(data, bytes) else os.path.getsize(data)
    with io.BytesIO(data) if isinstance(data, bytes) else open(data, "rb") as file:
        tar.addfile(info, file)


def small(text):
    """A uncompressed layer with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        add(tar, f"file-{text}", text.encode() * 100)
    return out.getvalue()


def image(name, ids, layers=None):
    """A config of layers with these digests, and the item of manifest.json that names it."""
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {},
        "history": [{"created_by": "a"} for _ in ids],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + it for it in ids]},
    }).encode()
    path = hashlib.sha256(config).hexdigest() + ".json"
    layers = layers or [it + ".tar" for it in ids]
    return path, config, {"Config": path, "RepoTags": [name], "Layers": layers}


def remove(path):
    shutil.rmtree(path) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)
