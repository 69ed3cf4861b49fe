import subprocess
import sys

import torch

from chorus.teachers.torchvision_shim import make_torchvision_importable, nms


def naive_nms(boxes, scores, threshold):
    kept = []
    for i in scores.argsort(descending=True).tolist():

        def overlap(j, i=i):
            low, high = torch.maximum(boxes[i, :2], boxes[j, :2]), torch.minimum(boxes[i, 2:], boxes[j, 2:])
            shared = (high - low).clamp_min(0).prod()
            return shared / ((boxes[i, 2:] - boxes[i, :2]).prod() + (boxes[j, 2:] - boxes[j, :2]).prod() - shared)

        if all(overlap(j) <= threshold for j in kept):
            kept.append(i)
    return kept


def test_nms_equals_the_definition():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(40, 2, generator=generator)
    boxes = torch.cat([corner, corner + torch.rand(40, 2, generator=generator)], dim=1)
    scores = torch.rand(40, generator=generator)
    for threshold in (0.1, 0.3, 0.7):
        assert nms(boxes, scores, threshold).tolist() == naive_nms(boxes, scores, threshold)
    assert nms(boxes[:0], scores[:0], 0.5).shape == (0,)


def test_torchvision_imports_and_its_operator_works():
    make_torchvision_importable()
    import torchvision  # noqa: F401 - dies without the shim beside a CPU torch

    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]])
    assert torch.ops.torchvision.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]


def test_importing_the_teachers_imports_no_heavy_package():
    code = (
        "import sys, chorus.teachers.load, chorus.teachers.embedded.teachers; print([m for m in "
        "('timm','transformers','torchvision') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
