"""What the routes share: the model, its line of work, the scenes kept and what is agreed."""

from __future__ import annotations

from dataclasses import dataclass, field

from chorus.serve.folder import Folder
from chorus.serve.queue import Work
from chorus.serve.scenes import KeptScenes


@dataclass(frozen=True)
class Service:
    """token: None to let everyone in; upload_bytes: of one file, at most."""

    work: Work
    scenes: KeptScenes
    upload_bytes: int
    token: str | None = field(default=None, repr=False)

    @property
    def folder(self) -> Folder:
        return self.scenes.folder
