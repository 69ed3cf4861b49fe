"""The comparisons of tests/placement on a real card: fitting, teacher views, lifting, encoding, distillation and
adaptation come out as on the CPU."""

import pytest
import torch

from tests.placement.test_encoder import (  # noqa: F401
    adapt_scene,
    scenes,
    test_adaptation_learns_as_on_the_cpu,
    test_distillation_learns_as_on_the_cpu,
    test_encoding_stays_where_the_scene_is,
)
from tests.placement.test_fit import test_a_fit_comes_out_as_on_the_cpu  # noqa: F401
from tests.placement.test_stages import test_every_stage_of_the_benchmark_runs  # noqa: F401
from tests.placement.test_teachers import (  # noqa: F401
    cameras,
    drawn_room,
    embedded,
    paper,
    scene,
    test_embedded_teachers_learn_as_on_the_cpu,
    test_embedded_teachers_see_and_are_lifted,
    test_foundation_teachers_see_and_are_lifted,
    test_weights_on_masks_are_the_cpus,
)

pytestmark = pytest.mark.gpu


@pytest.fixture
def device() -> torch.device:
    pytest.importorskip("gsplat")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA")
    return torch.device("cuda", 0)
