"""Sweet Home 3D homes as captures: fetch, parse, furnish, light and ray-cast rooms drawn by people."""

from chorus.scene_list import SweetHomeRoom, read_scenes
from chorus.sources.sweethome3d.classes import CLASS_NAMES
from chorus.sources.sweethome3d.fetch import fetch_homes, find_homes, link_homes
from chorus.sources.sweethome3d.make import make_capture

__all__ = ["CLASS_NAMES", "SweetHomeRoom", "fetch_homes", "find_homes", "link_homes", "make_capture", "read_scenes"]
