"""The stages of the chain by name, in the order data flows.

The name of a stage is the key of its Dagster asset and the ``stage`` of its artifact's manifest.
"""

CAPTURE = "scenes/capture"
GAUSSIANS = "scenes/gaussians"
EMBEDDED = "teachers/embedded"
TEACHER_VIEWS = "scenes/teacher_views"
TARGETS = "scenes/targets"
ENCODER = "models/encoder"
ADAPTED = "models/adapted_encoder"
EVALUATION = "reports/evaluation"
REGISTRY = "registry/chorus_encoder"

STAGES = (CAPTURE, GAUSSIANS, EMBEDDED, TEACHER_VIEWS, TARGETS, ENCODER, ADAPTED, EVALUATION, REGISTRY)
PER_SCENE = (CAPTURE, GAUSSIANS, TEACHER_VIEWS, TARGETS)


def part_of(stage: str) -> str:
    """The second level of a stage's name: ``scenes/capture`` -> ``capture``."""
    return stage.split("/")[1]


PARTS = tuple(map(part_of, PER_SCENE))  # of a scene, each made from those before it
