"""Fitting scenes of Gaussians, rendering them, and the rendering weights every later stage reads."""

RECIPE = 3  # of a fitted scene, for chorus.store.build: raised when what a fit leaves behind changes
