"""Who drew the homes and the furniture, and under which licence: what must go with pictures and models made of them."""

from __future__ import annotations

HOMES = (
    "the example homes of Sweet Home 3D, drawn by Véronique and Emmanuel Puybaret (CC-BY 3.0 or GNU GPL), from the "
    "Debian package sweethome3d"
)
LIBRARIES = {  # the first part of a model's name -> what it is
    "eTeks": "default furniture of Sweet Home 3D, by Emmanuel Puybaret / eTeks (CC-BY 3.0 or GNU GPL-2+)",
    "Scopia": "library Scopia, by Scopia Visual Interfaces Systems and Emmanuel Puybaret / eTeks (CC-BY 3.0)",
    "BlendSwap-CC-BY": "library BlendSwap-CC-BY, by the Blend Swap contributors (CC-BY 3.0)",
    "BlendSwap-CC-0": "library BlendSwap-CC-0, by Emmanuel Puybaret and other contributors (CC0)",
    "KatorLegaz": "library KatorLegaz, by Andrew Kator and Jennifer Legaz (CC-BY 3.0 US)",
    "own": "a few models of this project, drawn of boxes",
}
CHANGES = (
    "Changes made: furniture exchanged, recoloured and thinned, rooms repainted, homes drawn anew with these models, "
    "light and cameras our own."
)


def credits(models: dict[str, int]) -> list[str]:
    """A line a library that these models (name -> how often drawn) come from."""
    counts: dict[str, list[int]] = {}
    for name, drawn in models.items():
        counts.setdefault(name.partition("/")[0], []).append(drawn)
    return [
        f"{LIBRARIES.get(library, library)}: {len(drawn)} models, drawn {sum(drawn)} times"
        for library, drawn in sorted(counts.items())
    ]
