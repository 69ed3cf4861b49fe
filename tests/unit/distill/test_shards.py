"""Shards: the same scenes, read from tar files at an address."""

import json
import tarfile
import threading
from dataclasses import replace

import pytest
import torch

from chorus.distill import shards as sharded
from chorus.distill.load import StoredScenes
from chorus.distill.shards import ShardedScenes, read_index, write_shards
from chorus.distill.train import train_encoder
from chorus.errors import ChorusError, InputError, StoreError
from tests.unit.distill.test_scenes import ENCODER, INPUTS, PARAMS, WIDTHS, put

FILES = ("model.safetensors", "curves.csv")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, make_room):
    folder = tmp_path_factory.mktemp("stored")
    return StoredScenes([put(folder / f"room{i}", make_room(600 + 100 * i, seed=i)) for i in range(7)])


@pytest.fixture
def written(stored, tmp_path):
    """The address of three shards."""
    write_shards(stored, str(tmp_path / "shards"), each=3, seed=0)
    return tmp_path / "shards"


def trained(scenes, out):
    """What a training of more than one epoch writes."""
    params = replace(PARAMS, steps=10)
    spaces = scenes.reader.spaces
    train_encoder(scenes, encoder_config=ENCODER, inputs=INPUTS, params=params, out=out, spaces=spaces)
    return [(out / name).read_bytes() for name in FILES]


def test_a_scene_read_from_a_shard_is_the_scene(stored, written, tmp_path):
    scenes = ShardedScenes(str(written), tmp_path / "cache")
    assert scenes.names == stored.names and scenes.channels == stored.channels == WIDTHS
    assert torch.equal(scenes.balance(seed=0).centers, stored.balance(seed=0).centers)
    for which in (6, 0, 3):
        ours, theirs = scenes.open(which), stored.open(which)
        assert torch.equal(ours.scene.means, theirs.scene.means) and ours.name == theirs.name
        for role in WIDTHS:
            assert torch.equal(ours.valid[role], theirs.valid[role])
            assert torch.equal(ours.targets[role].z, theirs.targets[role].z)
            assert torch.equal(ours.targets[role].matrix, theirs.targets[role].matrix)


def test_webdataset_reads_them_a_sample_a_scene(stored, written):
    """Where that package is installed: every file of a scene is of one sample, whose key is the scene."""
    webdataset = pytest.importorskip("webdataset")
    shards = sorted(map(str, written.glob("*.tar")))
    found = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False))
    assert [sample["__key__"].rpartition("/")[2] for sample in found] == stored.names
    with tarfile.open(shards[0]) as archive:
        names = archive.getnames()
    assert sum(len([key for key in sample if not key.startswith("__")]) for sample in found[:3]) == len(names)


def test_an_epoch_has_every_scene_once_and_shard_after_shard(written, tmp_path):
    scenes = ShardedScenes(str(written), tmp_path / "cache")
    seen = [[scenes.which(7 * epoch + place, 5) for place in range(7)] for epoch in range(4)]
    for epoch in seen:
        assert sorted(epoch) == list(range(7))
        of = [which // 3 for which in epoch]
        assert sum(a != b for a, b in zip(of, of[1:], strict=False)) == 2, "a shard is left once"
    assert len({tuple(epoch) for epoch in seen}) == 4


def test_a_training_from_one_shard_is_the_training_from_the_store(stored, tmp_path):
    write_shards(stored, str(tmp_path / "one"), each=7, seed=0)
    scenes = ShardedScenes(str(tmp_path / "one"), tmp_path / "cache")
    assert trained(scenes, tmp_path / "a") == trained(stored, tmp_path / "b")


def test_a_training_keeps_few_shards_and_is_the_same_twice(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(sharded, "KEPT", 2)
    write_shards(stored, (tmp_path / "many").as_uri(), each=1, seed=0)
    runs = []
    for name in ("a", "b"):
        runs.append(trained(ShardedScenes((tmp_path / "many").as_uri(), tmp_path / name), tmp_path / f"{name}-out"))
        assert len(list((tmp_path / name).glob("*/shard-*"))) <= 2
    assert runs[0] == runs[1]


def test_readers_that_share_a_cache_get_in_nobodys_way(written, tmp_path, monkeypatch):
    """As ranks of one machine do: each takes other samples, and there is room for one shard alone."""
    monkeypatch.setattr(sharded, "KEPT", 1)
    found, readers = [], [ShardedScenes(str(written), tmp_path / "cache") for _ in range(2)]

    def read(rank):
        scenes = readers[rank]
        for sample in range(rank, 28, 2):
            scenes.expect(sample, 0)
            found.append(scenes.open(scenes.which(sample, 0)).name)

    threads = [threading.Thread(target=read, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == sorted(4 * readers[0].names)


def test_what_is_there_is_not_sent_again_and_other_scenes_get_other_files(stored, written):
    before = {path.name: path.stat().st_mtime_ns for path in written.glob("shard-*")}
    said = (written / "index.json").read_bytes()
    write_shards(stored, str(written), each=3, seed=0)
    assert {path.name: path.stat().st_mtime_ns for path in written.glob("shard-*")} == before and len(before) == 3
    assert (written / "index.json").read_bytes() == said
    index, found = read_index(str(written))
    write_shards(stored, str(written), each=4, seed=0)
    assert read_index(str(written))[1] != found and all((written / shard.file).exists() for shard in index.shards)


def test_a_shard_has_a_samples_files_side_by_side_under_its_name_and_no_labels(written):
    with tarfile.open(next(written.glob("shard-00001*"))) as archive:
        keys = [name.partition(".") for name in archive.getnames()]
    assert [key for key, _, _ in keys] == ["room3", "room3", "room4", "room4", "room5", "room5"]
    assert {suffix for _, _, suffix in keys} == {"ply", "rows.safetensors"}


def refused(address, cache) -> str:
    with pytest.raises((InputError, StoreError)) as error:
        scenes = ShardedScenes(str(address), cache)
        for which in range(len(scenes)):
            scenes.open(which)
    return str(error.value)


def test_an_address_without_shards_is_told(tmp_path):
    assert "an address of shards" in refused(tmp_path / "nothing", tmp_path / "cache")
    assert "chorus shard" in refused("nowhere://bucket/prefix", tmp_path / "cache")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda index: index.update(format=7), "format 7"),
        (lambda index: index.update(hashes=[]), "0 hashes of 7 scenes"),
        (lambda index: index["shards"][0].update(scenes=["../a", "b", "c"]), "names that are none"),
        (lambda index: index["shards"][0].update(file="../secret"), "names that are none"),
        (lambda index: index["shards"][0].update(scenes=["room6"] * 3), "4 names"),
        (lambda index: index.pop("teachers"), "teachers"),
        (lambda index: index["shards"][0].update(scenes=["room0", "room1"]), "7 hashes of 6"),
        (lambda index: index["shards"][1].update(scenes=["other", "room4", "room5"]), "a shard of 3 scenes"),
    ],
)
def test_an_index_that_is_none_is_refused(written, tmp_path, change, says):
    index = json.loads((written / "index.json").read_text())
    change(index)
    (written / "index.json").write_text(json.dumps(index))
    assert says in refused(written, tmp_path / "cache")


@pytest.mark.parametrize("kind", ["cut", "changed", "gone", "known"])
def test_a_damaged_shard_is_told_by_name_and_leaves_nothing(written, tmp_path, kind):
    name = "known-*" if kind == "known" else "shard-00001*"
    path = next(written.glob(name))
    content = path.read_bytes()
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-700] if kind == "cut" else content[:3000] + bytes(500) + content[3500:])
    if kind == "known":
        path.write_bytes(content[:200])
    said = refused(written, tmp_path / "cache")
    assert path.name in said or kind == "gone", said
    assert not list((tmp_path / "cache").glob("*/shard-00001*")) and "\n" not in said


def test_fewer_than_one_scene_a_shard_is_refused(stored, tmp_path):
    with pytest.raises(ChorusError, match="--scenes: expected at least one scene a shard, got 0"):
        write_shards(stored, str(tmp_path), each=0, seed=0)
