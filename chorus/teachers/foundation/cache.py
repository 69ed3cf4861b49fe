"""Features kept by content: the same weights, settings and image never meet the network twice, and nothing stale is
ever found."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from chorus.store import atomic_file
from chorus.teachers.foundation.wrapped import Wrapped


class CachedTeacher(Wrapped):
    """A teacher whose patch features lie in ``folder``, one half-precision file an image, named by what they depend on.

    A run that was killed goes on where it stopped, because every finished batch is on disk. First and later calls give
    the same bits: fresh features are rounded to half as well.
    """

    def __init__(self, inner, folder: Path, *, batch: int = 8):
        super().__init__(inner)
        self.folder, self.batch = Path(folder), batch
        key = json.dumps([inner.fingerprint, inner.settings], sort_keys=True, default=str)
        self.key = hashlib.sha256(key.encode()).hexdigest()
        self.hits = self.misses = 0

    def features(self, images: Tensor) -> Tensor:
        """images [B, H, W, 3] in 0..1 -> [B, rows, cols, dim] float32, rounded to half."""
        paths = [self.path(image) for image in images]
        found = {i: features for i, path in enumerate(paths) if (features := _read(path)) is not None}
        missing = [i for i in range(len(paths)) if i not in found]
        self.hits, self.misses = self.hits + len(paths) - len(missing), self.misses + len(missing)
        for start in range(0, len(missing), self.batch):
            part = missing[start : start + self.batch]
            for i, fresh in zip(part, self.inner.features(images[part]).half().cpu(), strict=True):
                with atomic_file(paths[i], lasting=False) as temporary:
                    save_file({"features": fresh.contiguous()}, temporary)
                found[i] = fresh
        return torch.stack([found[i] for i in range(len(paths))]).float().to(images.device)

    def path(self, image: Tensor) -> Path:
        """Where the features of image [H, W, 3] lie or will lie."""
        data = image.detach().cpu().contiguous()
        digest = hashlib.sha256(f"{self.key} {tuple(data.shape)} {data.dtype}".encode())
        digest.update(data.numpy().tobytes())
        return self.folder / self.key[:16] / f"{digest.hexdigest()}.safetensors"


def _read(path: Path) -> Tensor | None:
    try:
        return load_file(path)["features"]
    except FileNotFoundError:
        return None
    except (SafetensorError, KeyError, OSError):  # cut off by a full disk: make it again
        path.unlink(missing_ok=True)
        return None


def prune(folder: Path, *, keep_gigabytes: float) -> int:
    """Delete the files read or written longest ago until no more than ``keep_gigabytes`` stay. Returns how many went.

    Another process may be doing the same: files that are gone already are passed over.
    """
    found = []
    for path in Path(folder).rglob("*.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            facts = path.stat()
            found.append((max(facts.st_atime, facts.st_mtime), facts.st_size, path))
    total, gone = 0.0, 0
    for _, size, path in sorted(found, reverse=True):
        total += size
        if total > keep_gigabytes * 1e9:
            path.unlink(missing_ok=True)
            gone += 1
    return gone
