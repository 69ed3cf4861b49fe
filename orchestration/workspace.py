"""The workspace as Dagster's assets see it."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from chorus.errors import ChorusError
from chorus.recipes.recipe import Recipe
from chorus.store import Artifact, Store, manifest_of, root_folder
from chorus.train.processes import this_process
from chorus.workspace import Workspace

FORCE = "chorus/force"  # the tag of a run that makes artifacts again
PROCESS = "chorus/process"  # the tag that says which process works on a run, after the run's own id: tags are inherited


@contextlib.contextmanager
def red_asset() -> Iterator[None]:
    """A ChorusError becomes the one-line failure of the asset; anything else keeps its stack trace."""
    try:
        yield
    except ChorusError as error:
        raise dg.Failure(
            description=str(error), metadata={"error": type(error).__name__}, allow_retries=False
        ) from error


class WorkspaceResource(dg.ConfigurableResource):
    """root: the project folder; CHORUS_ROOT or the working directory when empty."""

    root: str = ""

    @property
    def store(self) -> Store:
        return Store(Path(self.root).resolve() if self.root else root_folder())

    def open(self) -> Workspace:
        """The library's workspace, its parameters read now."""
        return Workspace.open(self.store.root)

    def make(self, context: dg.AssetExecutionContext, recipe: Callable[..., Recipe], **options: object) -> Artifact:
        """The artifact of a recipe, of the partition's scene where there is one: made now, or the one there when it
        still matches."""
        scene = (context.partition_key,) if context.has_partition_key else ()
        context.instance.add_run_tags(context.run_id, {PROCESS: f"{context.run_id} {this_process()}"})
        with red_asset():
            return recipe(self.open(), *scene, **options).run(force=context.run.tags.get(FORCE) == "true")

    def artifact(self, stage: str, scene: str | None = None) -> Artifact:
        """What lies in the store now."""
        path = self.store.artifact(stage, scene)
        return Artifact(path, manifest_of(path)["hash"], fresh=False)
