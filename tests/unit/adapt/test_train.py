import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from chorus.adapt.train import AdaptScene, adapt_encoder, choose_parameters, covered_patches, render_head
from chorus.cameras import look_at
from chorus.distill.losses import match_loss
from chorus.encoder.adapter import apply_adapter
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.compact import fold
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError
from chorus.params import AdaptParams
from chorus_kernels import Views, patch_weights

PARAMS = AdaptParams(
    steps=30,
    lr=3e-3,
    views=2,
    min_coverage=0.2,
    tune="all",
    rank=2,
    log_every=5,
    checkpoint_every=4,
    ranks=1,
    accumulate=1,
    checkpointing="never",
)
VIEWS, ROWS, COLS = 4, 6, 8
STARTS = torch.arange(VIEWS + 1) * (ROWS * COLS)


def weights_of(room):
    poses = [
        look_at([0, 0, 1.2], [np.cos(a), np.sin(a), 1.0]) for a in np.linspace(0, 2 * np.pi, VIEWS, endpoint=False)
    ]
    K = torch.tensor([[40.0, 0, 32], [0, 40, 24], [0, 0, 1]]).expand(VIEWS, 3, 3).contiguous()
    return patch_weights(
        room.means,
        room.unit_quats,
        room.scales * 3,
        room.opacities,
        Views(torch.tensor(np.stack(poses)).float(), K, width=64, height=48),
        patch_rows=ROWS,
        patch_cols=COLS,
    )


@pytest.fixture
def model():
    torch.manual_seed(0)
    size = EncoderConfig(channels=(16, 16, 32), depths=(0, 1, 1), heads=(1, 1, 2), window=64, drop_path=0.0)
    heads = {"lang": HeadConfig(channels=24, width=12), "dino": HeadConfig(channels=8, width=12)}
    return SceneModel(ModelConfig(encoder=size, inputs=InputConfig(grid_size=0.1), heads=heads)).eval()


@pytest.fixture
def scene(make_room):
    room = make_room(3000)
    weights = weights_of(room)
    mix = {
        role: torch.randn(3, c, generator=torch.Generator().manual_seed(c)) for role, c in (("lang", 24), ("dino", 8))
    }
    color = torch.zeros(weights.shape[1], 3).index_add_(
        0,
        weights.indices.long(),
        room.rgb[torch.repeat_interleave(torch.arange(3000), weights.indptr.diff())] * weights.values[:, None],
    )
    color = color / weights.coverage[:, None].clamp_min(1e-6)
    maps = {role: torch.sin((color * 4 - 2) @ m) for role, m in mix.items()}
    return AdaptScene(
        name="room",
        scene=room,
        weights=dict.fromkeys(maps, weights),
        teacher_maps=maps,
        starts=dict.fromkeys(maps, STARTS),
    )


def dense(weights):
    """G [N, V * h * w]."""
    matrix = torch.zeros(weights.shape)
    rows = torch.repeat_interleave(torch.arange(weights.shape[0]), weights.indptr.diff())
    return matrix.index_put_((rows, weights.indices.long()), weights.values, accumulate=True)


@pytest.mark.parametrize("role", ["lang", "dino"])  # hidden narrower than the output, and wider
def test_a_step_is_that_of_the_dense_render(model, scene, role):
    voxels = voxelize(scene.scene, model.config.inputs)
    pyramid = model.encoder.prepare(voxels.grid, torch.tensor([len(voxels)]))
    weights, head = scene.weights[role], model.heads[role]
    patches = covered_patches(weights, torch.tensor([0, 2]), starts=STARTS, min_coverage=0.3)
    parameters = list(model.parameters())

    def gradients(predicted):
        loss = match_loss(predicted, scene.teacher_maps[role][patches.rows])
        return loss, torch.autograd.grad(loss, parameters, allow_unused=True)

    sparse = gradients(
        render_head(head, lambda rows: model.encoder.run(pyramid, voxels.feat, rows=rows).upcast, patches, voxels)
    )
    everything = head(model.encoder.run(pyramid, voxels.feat).upcast)[voxels.index]  # [N, C]
    full = gradients((dense(weights).T @ everything / weights.coverage[:, None])[patches.rows])
    torch.testing.assert_close(sparse[0], full[0], rtol=1e-5, atol=1e-6)
    for a, b in zip(sparse[1], full[1], strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-6)


def test_only_covered_patches_of_the_views_are_compared(scene):
    weights = scene.weights["lang"]
    patches = covered_patches(weights, torch.tensor([1]), starts=STARTS, min_coverage=0.5)
    assert torch.equal(torch.div(patches.rows, ROWS * COLS, rounding_mode="floor"), torch.ones_like(patches.rows))
    assert (weights.coverage[patches.rows] >= 0.5 * weights.coverage.max()).all()
    sums = torch.zeros(len(patches.rows)).index_add_(
        0, torch.repeat_interleave(torch.arange(len(patches.rows)), patches.indptr.diff()), patches.values
    )
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=1e-3, atol=1e-3)


def test_masks_are_many_or_few_and_compared_by_their_own_size(scene):
    weights, starts = scene.weights["lang"], torch.tensor([0, 0, 5, ROWS * COLS * VIEWS - 7, ROWS * COLS * VIEWS])
    pixels = torch.arange(1, weights.shape[1] + 1)
    share = weights.coverage / pixels
    for view in (1, 3):
        rows = covered_patches(weights, torch.tensor([0, view]), starts=starts, min_coverage=0.1, pixels=pixels).rows
        expected = [
            r for r in range(int(starts[view]), int(starts[view + 1])) if share[r] >= 0.1 * share.max() and share[r] > 0
        ]
        assert rows.tolist() == expected
    assert (
        scene.groups(2)[1].tolist() != []
        and len(covered_patches(weights, torch.tensor([0]), starts=starts, min_coverage=0.1).rows) == 0
    )


def test_a_model_whose_spaces_were_folded_in_learns_and_keeps_its_form(model, scene, tmp_path):
    spaces = {role: (model.space(role).matrix, model.space(role).mean) for role in model.heads}
    folded = copy.deepcopy(model)
    for role in spaces:
        fold(folded, role)
    results = [
        adapt_encoder(start, [scene], params=replace(PARAMS, tune="lora"), spaces=spaces, out=tmp_path / name)
        for start, name in ((model, "own"), (folded, "folded"))
    ]
    assert results[1].metrics["final"]["loss"] == pytest.approx(results[0].metrics["final"]["loss"], rel=1e-3)
    assert not results[1].model.spaces and all(head.folded for head in results[1].model.config.heads.values())
    apply_adapter(folded, tmp_path / "folded/adapter")  # over the model given, folded as it was
    assert all(torch.equal(x, folded.state_dict()[name]) for name, x in results[1].model.state_dict().items())


@pytest.mark.parametrize("tune", ["heads", "last", "all", "lora"])
def test_adaptation_lowers_the_loss_and_leaves_the_model_alone(model, scene, tmp_path, tune):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = adapt_encoder(model, [scene], params=replace(PARAMS, tune=tune), out=tmp_path)
    assert result.metrics["final"]["loss"] < result.metrics["first"]["loss"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert result.model.state_dict().keys() == before.keys()
    changed = {name for name, tensor in result.model.state_dict().items() if not torch.equal(tensor, before[name])}
    parts = {
        "heads": ("heads.",),
        "last": ("heads.", "encoder.enc.enc1.", "encoder.enc.enc2."),
        "all": ("heads.", "encoder."),
        "lora": ("heads.", "encoder.enc."),
    }
    assert changed and all(name.startswith(parts[tune]) for name in changed)
    assert (tmp_path / "adapter").exists() == (tune == "lora")
    if tune == "lora":
        apply_adapter(model, tmp_path / "adapter")
        assert all(torch.equal(x, model.state_dict()[name]) for name, x in result.model.state_dict().items())
        assert {name for name in changed if name.startswith("encoder.")} == {
            name for name in before if name.endswith("qkv.weight")
        }


def test_the_same_bytes_twice(model, scene, tmp_path):
    for name in ("a", "b"):
        adapt_encoder(model, [scene], params=replace(PARAMS, steps=3), out=tmp_path / name)
    for name in ("model.safetensors", "config.json", "curves.csv", "metrics.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_scenes_that_do_not_fit(model, scene, tmp_path):
    with pytest.raises(InputError, match="0 scenes"):
        adapt_encoder(model, [], params=PARAMS, out=tmp_path)
    short = replace(scene, teacher_maps={role: maps[:-1] for role, maps in scene.teacher_maps.items()})
    with pytest.raises(InputError, match="of 4 views for"):
        adapt_encoder(model, [short], params=PARAMS, out=tmp_path)
    with pytest.raises(InputError, match="heads | last | all | lora"):
        choose_parameters(model, "some", rank=2, seed=0)


class Killed(Exception):
    pass


@pytest.mark.parametrize("tune", ["all", "lora"])
def test_a_run_killed_and_resumed_writes_the_same_bytes(model, scene, tmp_path, tune):
    params, scenes = replace(PARAMS, tune=tune, steps=12), [scene, replace(scene, name="again")]

    def kill(row):
        if row["step"] == 10:
            raise Killed

    adapt_encoder(model, scenes, params=params, out=tmp_path / "straight")
    with pytest.raises(Killed):
        adapt_encoder(model, scenes, params=params, out=tmp_path / "resumed", state=tmp_path / "state", watch=kill)
    first = []
    adapt_encoder(
        model,
        scenes,
        params=params,
        out=tmp_path / "resumed",
        state=tmp_path / "state",
        watch=lambda row: first.append(row["step"]),
    )
    assert first == [10, 12]  # after the checkpoint of step 8
    for name in ("model.safetensors", "config.json", "curves.csv", "metrics.json"):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()
    assert list((tmp_path / "state").iterdir()) == []


def test_activations_computed_twice_give_the_same_bytes(model, scene, tmp_path):
    for when in ("never", "always"):
        adapt_encoder(model, [scene], params=replace(PARAMS, steps=3, checkpointing=when), out=tmp_path / when)
    never, always = ((tmp_path / when / "model.safetensors").read_bytes() for when in ("never", "always"))
    assert never == always
