"""Fitting scenes of Gaussians, rendering them, and the rendering weights every later stage reads."""
