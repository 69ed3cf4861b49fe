"""Decoder probe and fine-tuning on rooms whose faces have names."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from chorus.encoder.checkpoint import ModelConfig, SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError
from chorus.probe import DecoderProbe, FineTune, LinearProbe, few_points, untrained
from chorus.probe.decoder import Decoder

CLASSES = 3  # floor, ceiling, wall


def model(depths=(0, 1, 1), seed=0):
    inputs = InputConfig(grid_size=0.25)
    config = EncoderConfig(
        in_channels=inputs.channels, channels=(16, 16, 32), depths=depths, heads=(1, 1, 2), window=64, drop_path=0.0
    )
    torch.manual_seed(seed)
    return SceneModel(ModelConfig(encoder=config, inputs=inputs)).eval()


@pytest.fixture
def rooms(make_room):
    """Four rooms and the names of their faces, which colour tells of walls alone: floor and ceiling look alike."""
    scenes = [make_room(900, seed=seed) for seed in range(4)]
    heights = [scene.means[:, 2].numpy() for scene in scenes]
    return scenes, [np.select([z < 0.01, z > 2.49], [0, 1], 2) for z in heights]


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one, two):
    return all(torch.equal(one[name], two[name]) for name in one)


def test_a_decoder_of_no_blocks_equals_its_literal_walk(make_room):
    found, scene = model(depths=(0, 0, 0)), make_room(400)
    voxels = voxelize(scene, found.config.inputs)
    pyramid = found.encoder.prepare(voxels.grid, torch.tensor([len(voxels)]))
    decoder = Decoder(found.config.encoder, CLASSES, width=16)
    with torch.no_grad():
        features = found.encoder.level_features(pyramid, voxels.feat)
        got = decoder(pyramid, features)
        for row in range(0, len(got), 37):
            chain = [row]
            for level in pyramid.levels[:-1]:
                chain.append(int(level.parent[chain[-1]]))
            x = torch.zeros(16)
            for number in (2, 1, 0):
                x = F.gelu(decoder.norms[number](decoder.skips[number](features[number][chain[number]]) + x))
            torch.testing.assert_close(got[row], decoder.last(x), rtol=1e-4, atol=1e-5)


def test_a_decoder_learns_over_a_frozen_encoder_as_much_as_a_linear_layer(rooms):
    (scenes, labels), encoder = rooms, model()
    before = weights(encoder)
    probe = DecoderProbe(encoder, steps=60, lr=5e-3).fit(scenes[:3], labels[:3])
    assert same(before, weights(encoder)) and same(weights(encoder.encoder), weights(probe.segmenter_.encoder))
    features = [SceneEncoder(encoder).encode(scene, ("upcast",), progress=False).upcast.numpy() for scene in scenes]
    linear = LinearProbe().fit(features[:3], labels[:3]).score(features[3:], labels[3:])
    assert probe.score(scenes[3:], labels[3:]) > linear - 5 > 60
    assert probe.curve_[-1]["names"] < probe.curve_[0]["names"]


def test_fine_tuning_moves_a_copy_of_the_encoder_and_learns_more(rooms):
    (scenes, labels), encoder = rooms, model()
    before = weights(encoder)
    options = {"steps": 60, "lr": 5e-3}
    tuned, frozen = (kind(encoder, **options).fit(scenes[:3], labels[:3]) for kind in (FineTune, DecoderProbe))
    assert same(before, weights(encoder)) and not same(weights(encoder.encoder), weights(tuned.segmenter_.encoder))
    assert tuned.curve_[-1]["names"] < frozen.curve_[-1]["names"]
    assert tuned.score(scenes[3], labels[3]) > 60


def test_answers_are_of_every_gaussian_and_one_by_one_the_same(rooms):
    scenes, labels = rooms
    probe = FineTune(SceneEncoder(model()), steps=3).fit(scenes[:2], labels[:2])
    answers = probe.predict(scenes)
    assert [len(ids) for ids in answers] == [900] * 4 and np.array_equal(answers[1], probe.predict(scenes[1]))
    assert probe.classes_ == CLASSES and set(np.concatenate(answers)) <= set(range(CLASSES))


def test_a_run_killed_and_resumed_is_the_same(rooms, tmp_path):
    scenes, labels = rooms

    def kill(row):
        if row["step"] == 60:
            raise KeyboardInterrupt

    def fitted(**options):
        return weights(FineTune(model(), steps=70).fit(scenes[:1], labels[:1], **options).segmenter_)

    with pytest.raises(KeyboardInterrupt):
        fitted(state=tmp_path, watch=kill)
    assert (tmp_path / "training.pt").exists()
    seen: list[int] = []
    resumed = fitted(state=tmp_path, watch=lambda row: seen.append(row["step"]))
    assert seen == [60, 70] and same(fitted(), resumed)


def test_only_labeled_gaussians_teach(rooms):
    scenes, labels = rooms
    few = few_points(labels[0], 50, seed=0)
    other = np.where(few < 0, 99, few)
    one, two = (DecoderProbe(model(), CLASSES, steps=3).fit(scenes[0], ids) for ids in (few, other))
    assert same(weights(one.segmenter_), weights(two.segmenter_))
    nothing = [np.full(900, -1), few]  # a scene without labels takes no step
    three = DecoderProbe(model(), CLASSES, steps=3).fit([scenes[1], scenes[0]], nothing)
    assert same(weights(one.segmenter_), weights(three.segmenter_))


def test_fresh_weights_are_of_the_same_shape_and_by_seed(rooms):
    encoder = model()
    one, two, other = untrained(encoder, seed=1), untrained(SceneEncoder(encoder), seed=1), untrained(encoder, seed=2)
    assert same(weights(one), weights(two)) and not same(weights(one), weights(other))
    assert {k: v.shape for k, v in weights(one).items()} == {k: v.shape for k, v in weights(encoder).items()}


def test_what_is_no_lesson_is_refused(rooms):
    scenes, labels = rooms
    with pytest.raises(InputError, match="labelled training rows"):
        DecoderProbe(model(), CLASSES).fit(scenes[0], np.full(900, -1))
    with pytest.raises(InputError, match="scene 1: expected a label for each of 900 rows"):
        FineTune(model()).fit(scenes[:2], [labels[0], labels[1][:-1]])
    with pytest.raises(InputError, match="a fitted probe"):
        DecoderProbe(model()).predict(scenes[0])
    with pytest.raises(InputError, match="at most 50 voxels"):
        DecoderProbe(SceneEncoder(model(), max_rows=50)).fit(scenes[0], labels[0])
