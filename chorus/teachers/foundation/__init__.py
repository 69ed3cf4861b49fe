"""Foundation models as teachers: SigLIP2 (or any open_clip model), DINOv3 and DINOv2, SAM, PE-Spatial, C-RADIO. From the hub or a folder."""

from chorus.teachers.foundation.catalog import PRESETS, SOURCES
from chorus.teachers.foundation.family import load_foundation
from chorus.teachers.foundation.weights import list_teachers, pull

__all__ = ["PRESETS", "SOURCES", "list_teachers", "load_foundation", "pull"]
