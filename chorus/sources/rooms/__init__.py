"""Generated homes as captures: plans, furniture, light and sensor drawn from a seed, rooms without end."""

from chorus.sources.rooms.make import draw, make_generated

__all__ = ["draw", "make_generated"]
