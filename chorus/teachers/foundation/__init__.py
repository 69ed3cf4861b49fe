"""Foundation models as teachers: SigLIP2 (or any open_clip model), DINOv3 and DINOv2, SAM, PE-Spatial, C-RADIO. From
the hub or a folder."""

from chorus.teachers.torchvision_shim import make_torchvision_importable

make_torchvision_importable()  # every library behind these teachers imports torchvision

from chorus.teachers.foundation.catalog import PRESETS, SOURCES  # noqa: E402
from chorus.teachers.foundation.family import load_foundation  # noqa: E402
from chorus.teachers.foundation.weights import list_teachers, pull  # noqa: E402

__all__ = ["PRESETS", "SOURCES", "list_teachers", "load_foundation", "pull"]
