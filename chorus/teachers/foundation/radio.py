"""C-RADIO: one trunk that learnt from several foundation models fills all three roles in a single forward pass.

Its adaptors exist only as Python code inside the model's repository, and loading it runs that code on this machine with
the user's rights. It is therefore off unless ``teachers.foundation.trust_remote_code`` says otherwise; pull the model,
read its ``*.py`` files, then decide.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from chorus.errors import InputError, MissingError
from chorus.extras import extra
from chorus.teachers.base import Role
from chorus.teachers.foundation.loading import one_of, quiet
from chorus.teachers.foundation.siglip import OpenClipTeacher
from chorus.teachers.foundation.trunk import Network, VisionTeacher

ADAPTORS: dict[Role, str] = {"lang": "siglip2-g", "dino": "dino_v3", "object": "sam3"}


class RadioTrunk(nn.Module):
    """The shared forward pass, remembered for the last batch so that three roles cost one."""

    def __init__(self, model: Network):
        super().__init__()
        self.model: Network = model
        self._last: tuple[Tensor, dict] | None = None

    @property
    def patch(self) -> int:
        return int(self.model.patch_size)

    def forward(self, pixels: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """pixels [B, 3, h, w] in 0..1 -> adaptor name -> (summary [B, S], patch features [B, P, C]); 'backbone' among
        them."""
        if self._last is None or self._last[0].shape != pixels.shape or not torch.equal(self._last[0], pixels):
            self._last = (pixels, self.model(pixels))
        return self._last[1]


class RadioTeacher(VisionTeacher):
    """One adaptor's patch features. The trunk normalises by itself and reads any size in whole patches.

    For words the patches go through the adaptor's *summary* head: that head, not the patch head, was trained to end in
    the space of the text tower (RayFronts, arXiv 2504.06994; RADSeg, arXiv 2511.19704).
    """

    def __init__(self, trunk: RadioTrunk, *, role: Role, text: OpenClipTeacher | None = None, **common):
        self._adaptor, self._text = ADAPTORS[role], text
        super().__init__(trunk, role=role, dim=0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **common)
        self.dim = self.features(torch.zeros(1, trunk.patch, trunk.patch, 3)).shape[-1]
        if text is not None and text.dim != self.dim:
            fix = "Set teachers.foundation.text to the tower the adaptor learnt from."
            raise InputError(self.name, expected=f"a text tower of size {self.dim}", got=text.dim, fix=fix)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        nearest = self.net.model.get_nearest_supported_resolution(height, width)
        return int(nearest[0]), int(nearest[1])

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        rows, cols = self.input_size(height, width)
        return rows // self.net.patch, cols // self.net.patch

    def patches(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] -> [B, rows, cols, dim] through this role's adaptor; of lang through the head that meets
        words."""
        out = self.net(pixels)
        if self.role == "lang":
            found = self.net.model.adaptors[self._adaptor].head_mlp(out["backbone"][1])
        else:
            found = out[self._adaptor][1]
        return found.unflatten(1, (pixels.shape[-2] // self.net.patch, -1))

    def text(self, prompts: list[str]) -> Tensor:
        """[T, dim] L2-normalised, by the text tower the language adaptor learnt from."""
        if self._text is None:
            raise MissingError(
                self.name, expected="a text tower", got="none loaded", fix="Run: chorus teachers pull siglip2-giant"
            )
        return F.normalize(self._text.text(prompts), dim=-1)


def load_radio(folder: Path, *, trust_remote_code: bool) -> RadioTrunk:
    """Read a C-RADIO repository with its three adaptors switched on. Raises InputError unless its code may run."""
    if not trust_remote_code:
        fix = (
            f"Read the *.py files in {folder}, then set teachers.foundation.trust_remote_code: true, or name "
            f"other teachers."
        )
        raise InputError(
            "teacher 'radio'",
            expected="leave to run the code in its repository",
            got="trust_remote_code: false",
            fix=fix,
        )
    with extra("foundation"):
        from transformers import AutoConfig, AutoModel

    one_of(folder, ["config.json"])
    one_of(folder, ["*.safetensors"])
    with quiet():
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=True, local_files_only=True)
            config.adaptor_names = list(ADAPTORS.values())
            return RadioTrunk(
                AutoModel.from_pretrained(folder, config=config, trust_remote_code=True, local_files_only=True)
            )
        except (
            ImportError,
            OSError,
            ValueError,
            RuntimeError,
            KeyError,
            AttributeError,
            SafetensorError,
        ) as error:  # its code, its packages or its weights
            raise InputError(
                folder, expected="a complete C-RADIO repository", got=error, fix="Run: chorus teachers pull radio"
            ) from error
