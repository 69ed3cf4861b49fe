"""The scenes there are: those of data/scenes.yaml and the folders under data/incoming."""

from chorus.errors import InputError
from chorus.names import one_of
from chorus.store import Store, check_scene_id


def specs(store: Store) -> dict:
    """Scene id -> its entry in data/scenes.yaml."""
    from chorus.sources.sweethome3d.spec import read_scenes

    return {spec.id: spec for spec in read_scenes(store.data / "scenes.yaml")}


def incoming(store: Store) -> list[str]:
    """Ids of the folders (or links to folders) a user put under data/incoming. Raises StoreError for a name that is no
    scene id."""
    if not store.incoming.is_dir():
        return []
    return sorted(
        check_scene_id(path.name)
        for path in store.incoming.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


def all_scenes(store: Store) -> list[str]:
    """Every scene id, the listed ones first. Raises InputError when a dropped folder has the id of a listed scene."""
    listed, dropped = list(specs(store)), incoming(store)
    twice = sorted(set(listed) & set(dropped))
    if twice:
        raise InputError(
            store.incoming / twice[0],
            expected="a scene id that data/scenes.yaml does not use",
            got=twice[0],
            fix="Rename the folder.",
        )
    return listed + dropped


def chosen(store: Store, names: list[str]) -> list[str]:
    """The scenes named, or all of them when none is. Raises InputError for one that is neither listed nor dropped."""
    everything = all_scenes(store)
    return [one_of(check_scene_id(name), everything, "scene") for name in names] or everything


def rooms(store: Store, *, split: str, domain: str) -> list[str]:
    """Listed scenes of one split (train, held_out) and domain (main, second)."""
    return [name for name, spec in specs(store).items() if spec.split == split and spec.domain == domain]
