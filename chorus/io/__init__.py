"""Reading and writing scenes and features: every format ends in a GaussianScene or a plain array, checked."""

from chorus.io.features import Features, FeatureWriter, open_features, read_features, write_features
from chorus.io.interior_gs import is_interior_gs
from chorus.io.npy_folder import read_npy_features, read_npy_folder, read_npy_labels, read_npy_points, write_npy_folder
from chorus.io.ply import read_ply, write_ply
from chorus.io.points import PointCloud, read_points, write_points
from chorus.io.scenes import is_splat_file, read_scene, read_scene_or_points, write_scene
from chorus.io.splat import read_splat, write_splat

__all__ = [
    "FeatureWriter",
    "Features",
    "PointCloud",
    "is_interior_gs",
    "is_splat_file",
    "open_features",
    "read_features",
    "read_npy_features",
    "read_npy_folder",
    "read_npy_labels",
    "read_npy_points",
    "read_ply",
    "read_points",
    "read_scene",
    "read_scene_or_points",
    "read_splat",
    "write_features",
    "write_npy_folder",
    "write_ply",
    "write_points",
    "write_scene",
    "write_splat",
]
