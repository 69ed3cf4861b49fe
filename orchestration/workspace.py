"""The workspace as Dagster's assets see it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from chorus.errors import ChorusError
from chorus.recipes.recipe import Recipe
from chorus.store import Artifact, Store, manifest_of, root_folder
from chorus.train.processes import this_process
from chorus.workspace import Workspace
from orchestration.bucket import bucket, pull_what_is_read, push_what_was_made

FORCE = "chorus/force"  # the tag of a run that makes artifacts again
# The tag that says which process works on a run, after the run's own id: tags are inherited. So named, the UI hides it.
PROCESS = ".dagster/chorus_process"


@contextlib.contextmanager
def red_asset() -> Iterator[None]:
    """A ChorusError becomes the one-line failure of the asset; anything else keeps its stack trace."""
    try:
        yield
    except ChorusError as error:
        raise dg.Failure(
            description=str(error), metadata={"error": type(error).__name__}, allow_retries=False
        ) from error


WAITS = (2.0, 8.0, 30.0)  # seconds before a transient failure is tried again


@contextlib.contextmanager
def tried_again(context: dg.AssetExecutionContext) -> Iterator[None]:
    """What is transient (a server that is away, a network that was cut) is tried again after each of WAITS."""
    try:
        yield
    except Exception as error:
        if not is_transient(error) or context.retry_number >= len(WAITS):
            raise
        wait = WAITS[context.retry_number]
        context.log.warning(f"{error} - tried again in {wait:g} s")
        raise dg.RetryRequested(max_retries=len(WAITS), seconds_to_wait=wait) from error


def is_transient(error: BaseException | None) -> bool:
    """Whether it, or what it was raised from, may be gone by itself in a minute."""
    while error is not None:
        if isinstance(error, (ConnectionError, TimeoutError)):
            return True
        error = error.__cause__
    return False


class WorkspaceResource(dg.ConfigurableResource):
    """root: the project folder; CHORUS_ROOT or the working directory when empty."""

    root: str = ""

    @property
    def store(self) -> Store:
        return Store(Path(self.root).resolve() if self.root else root_folder())

    def open(self) -> Workspace:
        """The library's workspace, its parameters read now."""
        return Workspace.open(self.store.root)

    def open_for(self, stage: str) -> Workspace:
        """The same, with all that a stage reads of other stages here, pulled from the bucket where there is one."""
        workspace = self.open()
        pull_what_is_read(workspace, stage, None)
        return workspace

    def make(self, context: dg.AssetExecutionContext, recipe: Callable[..., Recipe], **options: object) -> Artifact:
        """The artifact of a recipe, of the partition's scene where there is one: made now, or the one there when it
        still matches."""
        scene = context.partition_key if context.has_partition_key else None
        self.begin(context)
        with red_asset(), tried_again(context):
            return self._made(context, context.asset_key.to_user_string(), recipe, scene, **options)

    def make_scene(
        self, context: dg.AssetExecutionContext, stage: str, recipe: Callable[..., Recipe], scene: str
    ) -> Artifact:
        """The same of one scene among many: what is transient is waited for here, for a step that is tried again would
        begin with the first scene."""

        with red_asset():
            for wait in WAITS:
                try:
                    return self._made(context, stage, recipe, scene)
                except Exception as error:
                    if not is_transient(error):
                        raise
                    context.log.warning(f"{scene}: {error} - tried again in {wait:g} s")
                    time.sleep(wait)
            return self._made(context, stage, recipe, scene)

    def _made(
        self,
        context: dg.AssetExecutionContext,
        stage: str,
        recipe: Callable[..., Recipe],
        scene: str | None,
        **options: object,
    ) -> Artifact:
        workspace = self.open()
        pull_what_is_read(workspace, stage, scene)
        asked = recipe(workspace, *([scene] if scene else []), **options)
        artifact = asked.run(force=context.run.tags.get(FORCE) == "true")
        push_what_was_made(workspace.store, stage, scene)
        return artifact

    def begin(self, context: dg.AssetExecutionContext) -> None:
        """Note which process works on the run, so that it is known as lost once that is gone."""
        context.instance.add_run_tags(context.run_id, {PROCESS: f"{context.run_id} {this_process()}"})

    def artifact(self, stage: str, scene: str | None = None) -> Artifact:
        """What lies in the store now, pulled from the bucket where it is newer there or not here."""
        there = bucket()
        if there is not None:
            there.pull(self.store, stage, scene)
        path = self.store.artifact(stage, scene)
        return Artifact(path, manifest_of(path)["hash"], fresh=False)
