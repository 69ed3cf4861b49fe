"""The command line: verbs over one workspace. The only place that turns a ChorusError into one line and exit code 2."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from chorus.errors import ChorusError, InputError, MissingError, StoreError

if TYPE_CHECKING:
    from chorus.params import Params
    from chorus.scene import GaussianScene
    from chorus.store import Store

ABOUT = (
    "A mental map for 3D Gaussian-splat scenes. Scenes are .ply files or names under data/scenes; --debug "
    "shows where an error came from, --version which version this is."
)
OUTPUTS = Literal["lang", "dino", "object", "upcast"]
Scene = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE", help="a .ply file, or the name of a fitted scene")
]
Model = Annotated[Path | None, tyro.conf.arg(help="a model's folder; data/models/encoder when absent")]


def ingest(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")],
    *,
    name: Annotated[str, tyro.conf.arg(name="as")],
) -> None:
    """Take a folder of photos with transforms.json, or of RGB-D frames, in as a scene of this name."""
    from chorus import sources
    from chorus.store import build, hash_folder

    store, params = _workspace()
    link = _link(store, folder, name)
    artifact = build(
        store.scene(name, "capture"),
        stage="scenes/capture",
        recipe=1,
        params=params.capture,
        inputs={"folder": hash_folder(link)},
        make=lambda out: sources.ingest_folder(link, params.capture).save(out),
    )
    print(f"{name}: {'ingested' if artifact.fresh else 'already there'}, {artifact.path}")


def _link(store: Store, folder: Path, name: str) -> Path:
    """data/incoming/NAME as a link to the folder. Raises when the name is taken by another one."""
    from chorus.store import check_scene_id

    link, folder = store.incoming / check_scene_id(name), folder.resolve()
    if not folder.is_dir():
        raise InputError(
            folder, expected="a folder of photos or RGB-D frames", got="a file" if folder.exists() else "nothing there"
        )
    if link.exists() and link.resolve() != folder:
        raise StoreError(
            link,
            expected="a free name",
            got=f"a link to {link.resolve()}",
            fix="Choose another --as or remove that link.",
        )
    if store.scene(name, "capture").exists() and not link.exists():
        raise StoreError(
            f"scene '{name}'", expected="a free name", got="a scene of the workspace", fix="Choose another --as."
        )
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # a link to a folder that is gone
        link.symlink_to(folder, target_is_directory=True)
    return link


def fit(name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]) -> None:
    """Optimise the Gaussians of an ingested scene."""
    from chorus.capture import Capture
    from chorus.splat import RECIPE
    from chorus.splat.artifact import save_gaussians
    from chorus.splat.fit import fit_scene
    from chorus.store import build, manifest_of

    store, params = _workspace()
    _known(store, name, "capture")
    capture = store.scene(name, "capture")

    def make(out: Path) -> None:
        views = Capture.load(capture)
        save_gaussians(out, fit_scene(views, params.fit, seed=params.seed), views)

    wants, inputs = {"fit": params.fit, "seed": params.seed}, {"capture": manifest_of(capture)["hash"]}
    artifact = build(
        store.scene(name, "gaussians"), stage="scenes/gaussians", recipe=RECIPE, params=wants, inputs=inputs, make=make
    )
    print(f"{name}: {'fitted' if artifact.fresh else 'already there'}, {artifact.path / 'scene.ply'}")


def encode(
    scene: Scene,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    model: Model = None,
    outputs: tuple[OUTPUTS, ...] = ("lang",),
) -> None:
    """Write features of every Gaussian: one file, or one for each of several outputs (features.lang.safetensors,
    ...)."""
    gaussians, encoder = _scene(scene), _encoder(model)
    paths = {name: output if len(outputs) == 1 else output.with_suffix(f".{name}{output.suffix}") for name in outputs}
    encoder.encode_to_files(gaussians, paths, info={"scene": Path(scene).name})
    for name, path in paths.items():
        print(f"{path}: {name}, {len(gaussians)} Gaussians x {encoder.channels(name)}")


def query(
    scene: Scene,
    words: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="WORDS", help='what to look for: "a chair" "a lamp" ...'),
    ],
    *,
    output: Annotated[
        Path | None, tyro.conf.arg(aliases=("-o",), help="folder of the heat maps; the working directory when absent")
    ] = None,
    model: Model = None,
    top: int = 5,
) -> None:
    """Find objects by words: a table, and for each text a heat-map .ply with its picture from above and from inside."""
    from chorus.view import ask

    if not words:
        raise InputError("query", expected='words to look for, as "a chair"', got="none")
    answers = ask.ask(_scene(scene), _encoder(model), words, top=top)
    capture = _capture(scene)
    unit = "m" if capture is None or capture.info.get("metric", True) else "units"
    for answer in answers:
        print(ask.table(answer, unit=unit))
        for path in ask.save(answer, output or Path("."), name=Path(scene).stem, capture=capture):
            print(f"  {path}")


def report() -> None:
    """Print the result table of data/reports/metrics.json."""
    from chorus.evaluate.table import print_table

    store, _ = _workspace()
    print_table(store.reports)


def show(scene: Scene, *, output: Annotated[Path, tyro.conf.arg(aliases=("-o",))] = Path("scene.png")) -> None:
    """Write a picture of a scene from above, the ceiling cut away, and from inside."""
    from chorus.view import ask, render

    gaussians, capture = _scene(scene), _capture(scene)
    ask.save_views(
        output, gaussians, gaussians.rgb.numpy(), inside=None if capture is None else render.best_view(capture)
    )
    print(f"{output}: {len(gaussians)} Gaussians")


def fetch(
    *,
    homes: Annotated[
        Path | None, tyro.conf.arg(help="the Debian packages, unpacked elsewhere; downloaded when absent")
    ] = None,
) -> None:
    """Fetch the sample homes and their furniture (137 MB), or use a folder they were unpacked into."""
    from chorus.sources.sweethome3d import fetch_homes, link_homes

    store, _ = _workspace()
    found = fetch_homes(store.homes) if homes is None else link_homes(store.homes, homes)
    print(f"{found.jar.parent}: homes and {len(found.libraries)} furniture libraries")


def teachers(
    action: Annotated[Literal["list", "pull"], tyro.conf.Positional],
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    *,
    dir: Path | None = None,
) -> None:
    """List the foundation teachers (what is here, size, licence, which preset needs it), or pull some by name, hub id
    or open_clip MODEL:TAG."""
    from chorus.teachers.foundation import list_teachers, pull

    store, params = _workspace()
    folder = dir or store.root / params.teachers.dir
    if action == "pull":
        if not names:
            raise InputError(
                "teachers pull", expected="names of teachers", got="none", fix="See `chorus teachers list`."
            )
        pull(list(names), folder)
    print(f"{'':7} {'name':15} {'size':>9}  {'license':34} {'roles':19} presets that need it")
    for row in list_teachers(folder):
        state = ("changed" if row.intact is False else "here") if row.here else "-"
        license = row.license + (", gated" if row.gated else "")
        print(
            f"{state:7} {row.name:15} {row.megabytes:6.0f} MB  {license:34} {', '.join(row.roles):19} "
            f"{', '.join(row.presets) or '-'}"
        )


def import_checkpoint(
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")],
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
) -> None:
    """Turn a released .pth checkpoint into model.safetensors and config.json."""
    from chorus.encoder.released import import_checkpoint as read

    print(read(file, output))


def _workspace() -> tuple[Store, Params]:
    from chorus.params import load_params
    from chorus.store import Store, root_folder

    root = root_folder()
    return Store(root), load_params(root / "params.yaml")


def _known(store: Store, name: str, part: str) -> None:
    """Raise StoreError, with the nearest name there is, unless the scene has this part."""
    from chorus.names import did_you_mean
    from chorus.store import check_scene_id

    names = store.scenes_with(part)
    if check_scene_id(name) not in names:
        raise StoreError(
            "scene",
            expected=f"a scene with {part}" if names else f"a scene with {part} (there is none yet)",
            got=repr(name),
            fix=did_you_mean(name, names) or "Ingest and fit it first, or give the path of a .ply file.",
        )


def _is_path(name: str) -> bool:
    """Whether a scene is given as a file or folder. A scene of the workspace comes before a folder that happens to be
    called the same."""
    if Path(name).suffix or os.sep in name:
        return True
    return Path(name).exists() and name not in _workspace()[0].scenes_with("gaussians")


def _scene(name: str) -> GaussianScene:
    """The Gaussians of a file, a folder or a scene of the workspace."""
    from chorus.io import read_scene

    if _is_path(name):
        return read_scene(Path(name)).validate(name)
    store, _ = _workspace()
    _known(store, name, "gaussians")
    return read_scene(store.scene(name, "gaussians") / "scene.ply").validate(name)


def _capture(name: str):
    """The capture of a scene of the workspace, None for a file."""
    if _is_path(name):
        return None
    from chorus.capture import Capture

    store, _ = _workspace()
    folder = store.scene(name, "capture")
    return Capture.load(folder) if folder.is_dir() else None


def _encoder(folder: Path | None):
    """The model to ask. Raises MissingError where there is none."""
    import chorus

    folder = folder or _workspace()[0].model("encoder")
    if not any((folder / name).is_file() for name in ("config.json", "splats/config.json")):
        got = "a folder without config.json" if folder.is_dir() else "nothing there"
        raise MissingError(
            folder, expected="a trained encoder's folder", got=got, fix="Run make demo, or give --model DIR."
        )
    return chorus.load(folder)


VERBS = {
    "fetch": fetch,
    "ingest": ingest,
    "fit": fit,
    "encode": encode,
    "query": query,
    "report": report,
    "show": show,
    "teachers": teachers,
    "import-checkpoint": import_checkpoint,
}


def main(argv: list[str] | None = None) -> None:
    """Run a verb. Exits with 2 and one line on stderr for what the user can mend."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        from chorus import __version__

        print(f"chorus {__version__}")
        return
    debug = "--debug" in words
    try:
        tyro.extras.subcommand_cli_from_dict(
            VERBS, prog="chorus", description=ABOUT, args=[word for word in words if word != "--debug"]
        )
    except ChorusError as error:
        if debug:
            raise
        print(f"chorus: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
