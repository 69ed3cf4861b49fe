"""A training from shards, for more scenes than a machine's disk holds: each epoch goes through the shards in an order
drawn for it, and through a shard's scenes in another; the few that the samples are at lie on this disk.

Labels are not in them (:mod:`chorus.distill.shard_files`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from chorus.distill.batches import Balance, TrainingScene, balancing_role
from chorus.distill.load import Reader, StoredScene, StoredScenes
from chorus.distill.scenes import TrainingScenes
from chorus.distill.shard_files import (
    INDEX,
    SCENE,
    Address,
    Index,
    Shard,
    fetch_known,
    pack,
    put_known,
    size_of,
    unpack,
)
from chorus.errors import InputError
from chorus.room import require_disk
from chorus.store import hash_file
from chorus.teachers.base import ROLES
from chorus.teachers.phi_s import PhiS
from chorus.train.schedule import generator_of
from chorus.whole import alone, atomic_folder, first, scratch_folder, shared

KEPT = 4  # shards on this disk: of the samples that are begun, the next one, and what other ranks may still be at


def write_shards(scenes: StoredScenes, address: str, *, each: int, seed: int) -> Index:
    """Write scenes to an address, ``each`` of them a shard. What is there already is not sent again; an index that is
    there counts until the new one takes its place, at the end.

    seed: of the sample that balances. Raises InputError for fewer than one each, and for an address that cannot be
    written.
    """
    if each < 1:
        raise InputError("--scenes", expected="at least one scene a shard", got=each)
    place, shards = Address(address), []
    for at in range(0, len(scenes), each):
        some = scenes.scenes[at : at + each]
        with scratch_folder("shard") as folder:
            packed = folder / "shard.tar"
            require_disk(folder, sum(map(size_of, some)), what=f"a shard of {len(some)} scenes")
            pack(some, packed)
            sha256, size = hash_file(packed), packed.stat().st_size
            name = f"shard-{len(shards):05d}-{sha256[:12]}.tar"
            if not place.has(name, size):
                place.put(packed, name)
        shards.append(Shard(name, sha256, size, tuple(scene.name for scene in some)))
    standards = {role: fitted for role, fitted in scenes.reader.standards.items() if isinstance(fitted, PhiS)}
    index = Index(
        shards=tuple(shards),
        hashes=tuple(scenes.hashes),
        widths=scenes.reader.stored,
        teachers=scenes.reader.teachers,
        known=put_known(place, standards, scenes.sample(seed=seed)),
    )
    place.write(INDEX, index.written())
    return index


def read_index(address: str) -> tuple[Index, str]:
    """The index of an address, and its hash, which tells these shards from others. Raises InputError where there is
    none."""
    place = Address(address)
    said = place.read(INDEX)
    return Index.parsed(said, place.said), hashlib.sha256(said).hexdigest()


class ShardedScenes(TrainingScenes):
    """What :func:`write_shards` wrote. cache: a folder for the shards that are at work, which the ranks of one machine
    share.

    Raises InputError for an address without shards; StoreError, when it is opened, for a shard that is not what the
    index says.
    """

    def __init__(self, address: str, cache: Path):
        self.index, found = read_index(address)
        self.place, self.cache = Address(address), Path(cache) / found[:16]
        self.names, self.shards = self.index.names, self.index.shards
        self._shard = [number for number, shard in enumerate(self.shards) for _ in shard.scenes]
        standards, self._sample = fetch_known(self.place, self.index.known)
        self.reader = Reader(
            like=self.names[0],
            stored=self.index.widths,
            teachers=self.index.teachers,
            roles=tuple(role for role in sorted(ROLES) if role in standards),
            standards=standards,
        )
        self.channels, self.labels_read = self.reader.channels, []
        self._order = lru_cache(4)(self._drawn)
        self._coming: dict[int, Future[Path]] = {}
        self._lock, self._thread = threading.Lock(), ThreadPoolExecutor(1, "shards")

    def identity(self) -> Any:
        scenes = [[name, found] for name, found in zip(self.names, self.index.hashes, strict=True)]
        return [scenes, list(self.reader.roles), "phi_s", [], [len(shard.scenes) for shard in self.shards]]

    def balance(self, *, seed: int) -> Balance:
        return Balance.fit(balancing_role(self.channels), self._sample, seed=seed)

    def which(self, sample: int, seed: int) -> int:
        epoch, place = divmod(sample, len(self))
        return self._order(seed, epoch)[place]

    def expect(self, sample: int, seed: int) -> None:
        """Begin to bring the shard of this sample and the one after it."""
        here = self._shard[self.which(sample, seed)]
        later = (self._shard[self.which(sample + n, seed)] for n in range(1, 2 * len(self)))
        for number in (here, next((number for number in later if number != here), here)):
            self._brought(number)

    def open(self, which: int, *, crop: int = 0, generator: torch.Generator | None = None) -> TrainingScene:
        number, name = self._shard[which], self.names[which]
        while True:
            folder = self._brought(number).result()
            with shared(_lock_of(folder)):
                if folder.is_dir():  # another rank may have needed the room
                    os.utime(folder)
                    stored = StoredScene(name, folder / name / SCENE, folder / name)
                    return self.reader.open(stored, crop=crop, generator=generator)

    def _drawn(self, seed: int, epoch: int) -> list[int]:
        """The order of an epoch as it is drawn for scenes that all lie there, each shard's brought together."""
        drawn = torch.randperm(len(self), generator=generator_of(seed, 1, epoch)).tolist()
        turn: dict[int, int] = {}
        for which in drawn:
            turn.setdefault(self._shard[which], len(turn))
        return sorted(drawn, key=lambda which: turn[self._shard[which]])

    def _brought(self, number: int) -> Future[Path]:
        with self._lock:
            coming = self._coming.get(number)
            if coming is None or (coming.done() and not coming.exception() and not coming.result().is_dir()):
                coming = self._coming[number] = self._thread.submit(self._bring, self.shards[number])
            return coming

    def _bring(self, shard: Shard) -> Path:
        """A shard's scenes on this disk, a folder each."""
        folder = self.cache / shard.file.removesuffix(".tar")
        with alone(_lock_of(folder)):
            if not folder.is_dir():
                require_disk(self.cache, 2 * shard.bytes, what=f"the shard {shard.file}")
                with scratch_folder("shard") as scratch, atomic_folder(folder) as out:
                    self.place.fetch(shard.file, scratch / shard.file, sha256=shard.sha256)
                    unpack(scratch / shard.file, shard.scenes, out)
        self._make_room()
        return folder

    def _make_room(self) -> None:
        """Remove what was used longest ago of more than KEPT shards; one that a rank reads stays."""
        folders = sorted(self.cache.glob("shard-*"), key=lambda path: path.stat().st_mtime)
        for folder in folders[:-KEPT]:
            with first(_lock_of(folder)) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")
