"""The published zero-shot protocol on folders laid out as the benchmarks lay them out, with made-up content."""

import json
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import balanced_accuracy_score, jaccard_score

from chorus import metrics
from chorus.errors import InputError
from chorus.evaluate import benchmark
from chorus.evaluate.benchmark_scenes import find_scenes, read_benchmark_scene, read_names
from chorus.io import write_scene
from chorus.scene import scene_from_colors

NAMES = ("wall", "floor", "chair", "table", "lamp")
PLACES = np.array([[0, 0, 1], [2, 0, 0], [4, 0, 0.5], [0, 3, 0.5], [3, 3, 1.5]], float)  # of the five things, m
EACH = 150
EYE = np.eye(3)


def room(seed=0):
    """Gaussians and cloud points [5 EACH] around five places, a class each, of which a fifth bears another's colour."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(5), EACH)
    said = np.where(rng.random(len(truth)) < 0.8, truth, rng.integers(0, 5, len(truth)))
    means = PLACES[truth] + 0.1 * rng.normal(size=(len(truth), 3))
    points = PLACES[truth] + 0.1 * rng.normal(size=(len(truth), 3))
    return SimpleNamespace(truth=truth, said=said, means=means, points=points)


def splats(folder, made):
    """Their arrays; the red of a Gaussian is what it is said to be."""
    colors = np.stack([made.said / 255.0, *np.full((2, len(made.said)), 0.5)], axis=1)
    arrays = (made.means, np.tile([1.0, 0, 0, 0], (len(colors), 1)), np.full((len(colors), 3), 0.02))
    tensors = [torch.tensor(array, dtype=torch.float32) for array in (*arrays, np.full(len(colors), 0.9), colors)]
    write_scene(folder, scene_from_colors(*tensors))


def save(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def scannet(folder, made):
    """Labelled twice, by 20 and by 200 classes: here by 5 and by 7."""
    splats(folder, made)
    truth = np.where(np.arange(len(made.truth)) % 10, made.truth, -1)
    save(folder, segment5=made.truth, segment7=made.truth + 2, instance=made.truth, normal=made.means)
    save(folder, pc_coord=made.points, pc_segment5=truth, pc_segment7=truth + 2, pc_instance=made.truth)


def scannetpp(folder, made):
    """Up to three labels a point, the likeliest first."""
    splats(folder, made)
    three = np.stack([made.truth, *np.full((2, len(made.truth)), -1)], axis=1)
    save(folder, segment=three, instance=three, pc_coord=made.points, pc_segment=three, pc_instance=three)


def matterport(folder, made):
    """No instances."""
    splats(folder, made)
    save(folder, segment=made.truth, pc_coord=made.points.astype(np.float64), pc_segment=made.truth.astype(np.int16))


def interior_arrays(folder, made):
    """InteriorGS as arrays: labelled Gaussians, no point cloud."""
    splats(folder, made)
    save(folder, segment=made.truth.astype(np.int32), instance=made.truth.astype(np.int32))


def pointcept(folder, made):
    """Points alone, 8-bit colours."""
    color = np.stack([made.said, *np.full((2, len(made.said)), 128)], axis=1).astype(np.uint8)
    normal = np.tile(EYE[2], (len(color), 1)).astype(np.float32)
    save(folder, coord=made.means.astype(np.float32), color=color, normal=normal)
    save(folder, segment5=made.truth, instance=made.truth)


def interior_boxes(folder, made):
    """As it is published: packed splats and a box of every object."""
    folder.mkdir(parents=True)
    splats(folder / "arrays", made)
    from chorus.io import read_scene

    write_scene(folder / "3dgs.compressed.ply", read_scene(folder / "arrays"))
    (folder / "3dgs.compressed.ply").rename(folder / "3dgs_compressed.ply")
    items = [_box(number, name, PLACES[number]) for number, name in enumerate(("wall", "floor", "Chair", "TABLE"))]
    (folder / "labels.json").write_text(json.dumps([*items, _box(9, "unheard_of", PLACES[4])]))


def _box(number, name, middle):
    corners = [
        dict(zip("xyz", (middle + 0.8 * np.array(sign)).tolist(), strict=True)) for sign in product((-1, 1), repeat=3)
    ]
    return {"ins_id": str(number), "label": name, "bounding_box": corners}


class Oracle:
    """An encoder that reads a Gaussian's red; words are corners of a cube of five sides."""

    available = ("lang",)
    config = SimpleNamespace(notes={})

    def text(self, prompts):
        return torch.eye(len(prompts))

    def encode(self, scene, outputs, *, progress):
        said = (scene.rgb[:, 0] * 255).round().long()
        return SimpleNamespace(lang=torch.eye(5)[said.clamp(0, 4)])


def scored(folders, neighbors=25):
    readers = [partial(read_benchmark_scene, folder, NAMES) for folder in folders]
    return benchmark.score(readers, NAMES, lambda variant: Oracle(), neighbors=neighbors)


def by_hand(truth, points, means, said, neighbors):
    """(labels, votes of the nearest, rows without a winner left out)."""
    near = np.argsort(cdist(points, means), axis=1, kind="stable")[:, :neighbors]
    counts = np.stack([(said[near] == c).sum(axis=1) for c in range(5)], axis=1)
    top = np.sort(counts, axis=1)
    clear = (top[:, -1] > top[:, -2]) & (truth >= 0)
    return truth[clear], counts.argmax(axis=1)[clear], clear


@pytest.mark.parametrize("layout", [scannet, scannetpp, matterport, interior_arrays, pointcept])
def test_every_layout_gives_the_figures_of_an_independent_count(tmp_path, layout):
    made = room()
    layout(tmp_path / "scene0000_00", made)
    tally, errors = scored([tmp_path / "scene0000_00"])
    assert not errors
    truth = np.where(np.arange(len(made.truth)) % 10, made.truth, -1) if layout is scannet else made.truth
    own = layout in (interior_arrays, pointcept)
    labels, votes, clear = by_hand(truth, made.means if own else made.points, made.means, made.said, 25)
    assert clear.sum() == (truth >= 0).sum()  # no draw, on which testers differ
    found = tally.figures()["protocols"]["vote"]
    assert found["miou"] == pytest.approx(100 * jaccard_score(labels, votes, average="macro"))
    front = jaccard_score(labels, votes, average=None, labels=[2, 3, 4])
    assert found["f_miou"] == pytest.approx(100 * front.mean())
    assert found["macc"] == pytest.approx(100 * balanced_accuracy_score(labels, votes))
    raw = tally.figures()["protocols"]["raw"]
    if own:  # every Gaussian has a label of its own
        assert raw["overall"] == pytest.approx(100 * (made.said == made.truth).mean())
    assert 70 < raw["overall"] < 90 < found["overall"]  # a vote mends what one in five says wrongly
    objects = tally.figures()["objects"]
    assert (objects is None) == (layout is matterport)
    if objects is not None:
        assert tally.figures()["protocols"]["instances"]["miou"] == 100.0 and 0 < objects["ap25"] <= 100


def test_boxes_of_interior_gs_name_gaussians_by_the_labels_names(tmp_path):
    made = room()
    interior_boxes(tmp_path / "0001_839920", made)
    scene = read_benchmark_scene(tmp_path / "0001_839920", NAMES)
    assert scene.own and scene.variant == "splats"
    order = np.argmin(cdist(scene.gaussians.means.numpy(), PLACES), axis=1)
    assert (scene.truth.semantic == np.where(order < 4, order, -1)).mean() > 0.99  # lamps are of no name of theirs
    assert set(scene.truth.instance[scene.truth.semantic == 2]) == {3}  # ins_id + 1: 0 is none
    with pytest.raises(InputError, match="expected objects of the labels. names, got Chair, TABLE, floor"):
        read_benchmark_scene(tmp_path / "0001_839920", ("rug", "vase"))


def test_only_gaussians_a_teacher_saw_vote(tmp_path):
    made = room()
    scannet(tmp_path / "a", made)
    save(tmp_path / "a", valid_feat_mask=(made.said == made.truth).astype(int))
    tally, _ = scored([tmp_path / "a"])
    assert tally.figures()["protocols"]["vote"]["miou"] == 100.0


def test_scenes_are_added_up_before_they_are_averaged(tmp_path):
    for seed in (0, 1):
        scannetpp(tmp_path / "val" / f"scene{seed}", room(seed))
    folders = find_scenes(tmp_path)
    assert [folder.name for folder in folders] == ["scene0", "scene1"] and find_scenes(folders[0]) == folders[:1]
    tally, _ = scored(folders, neighbors=3)
    one, other = (scored([folder], neighbors=3)[0].matrices["vote"] for folder in folders)
    assert (tally.matrices["vote"] == one + other).all() and tally.points == 10 * EACH


def test_a_class_that_is_answered_but_does_not_occur_counts_as_published():
    matrix = metrics.confusion(np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2]), 5)
    found = benchmark.averages(matrix, NAMES)
    assert found["miou"] == pytest.approx(100 * (0.5 + 0.0 + 1.0) / 3) and found["macc"] == 75.0
    assert found["f_miou"] == 100.0 and metrics.summary(matrix, NAMES)["miou"] == 75.0


def test_a_damaged_scene_is_told_and_the_rest_is_scored(tmp_path):
    for name in ("a", "b", "c"):
        scannetpp(tmp_path / name, room())
    np.save(tmp_path / "b" / "pc_segment.npy", np.zeros(3, int))
    tally, errors = scored(find_scenes(tmp_path))
    assert tally.scenes == ["a", "c"] and len(errors) == 1
    assert f"b/pc_segment.npy: expected {5 * EACH} rows, got 3" in errors[0]
    with pytest.raises(InputError, match="expected 750 rows, got 3"):
        scored([tmp_path / "b"])


@pytest.mark.parametrize(
    "arrays, says",
    [
        ({"pc_segment": np.full(5 * EACH, 5)}, "expected class ids below 5, the number of labels, got 5"),
        ({"pc_segment": np.full(5 * EACH, -1)}, "expected labelled points, got none"),
        ({"pc_segment": np.full(5 * EACH, 0.5)}, "expected labels that are whole numbers, got float64"),
        ({"pc_segment": np.full(5 * EACH, np.nan)}, "expected labels that are whole numbers"),
        ({"pc_instance": np.full(5 * EACH, "a")}, "pc_instance.npy: expected an array of numbers, got <U1"),
        ({"pc_coord": np.full((5 * EACH, 3), np.nan)}, "expected finite points of shape .P, 3., got float64"),
        ({"pc_coord": np.zeros((5 * EACH, 2))}, "expected finite points of shape .P, 3., got float64 .750, 2."),
        ({"valid_feat_mask": np.ones(7)}, "valid_feat_mask.npy: expected 750 rows, got 7"),
    ],
)
def test_truth_that_cannot_be_counted_is_refused(tmp_path, arrays, says):
    matterport(tmp_path / "a", room())
    save(tmp_path / "a", **arrays)
    with pytest.raises(InputError, match=says):
        read_benchmark_scene(tmp_path / "a", NAMES)


def test_labels_of_another_count_are_refused(tmp_path):
    scannet(tmp_path / "a", room())
    assert read_benchmark_scene(tmp_path / "a", (*NAMES, "rug", "vase")).truth.semantic.max() == 6
    with pytest.raises(InputError, match="expected labels of 2 classes, got segment5.npy, segment7.npy"):
        read_benchmark_scene(tmp_path / "a", ("rug", "vase"))
    splats(tmp_path / "b", room())
    with pytest.raises(InputError, match="expected labels: pc_segment.npy or segment.npy, got none"):
        read_benchmark_scene(tmp_path / "b", NAMES)


def test_names(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\ufeffwall\nother furniture\n\n chair \n")
    assert read_names(path) == ("wall", "other furniture", "chair")
    path.write_text("wall\nchair\nwall\n")
    with pytest.raises(InputError, match="each once, got twice: wall"):
        read_names(path)
    with pytest.raises(InputError, match="expected a text file of class names"):
        read_names(tmp_path / "none.txt")
    with pytest.raises(InputError, match="SceneSplat-7K, Pointcept or InteriorGS .*got none"):
        find_scenes(tmp_path)


def test_the_table_says_what_reads_the_truth(tmp_path):
    scannet(tmp_path / "a", room())
    tally, _ = scored([tmp_path / "a"])
    told = benchmark.render(tally, labels_read=["lang"])
    assert "1 scene, 675 labelled points, 5 names." in told and "Label contrast in training: lang." in told
    assert "(reads the truth)" in told and "AP50" in told and "vote of 25 Gaussians" in told
    kept = benchmark.record(tally)
    assert kept["protocols"]["vote"]["miou"] > 90 and json.loads(json.dumps(kept)) == kept
