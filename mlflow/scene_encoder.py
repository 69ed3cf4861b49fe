"""The registered model, from code: Gaussians in, features (and scores for words) out.

    model = mlflow.pyfunc.load_model("models:/chorus_encoder@champion")
    model.predict("scene.ply")                                              -> {"features": [N, C], "positions": [N, 3]}
    model.predict("scene.ply", params={"queries": ["a chair", "a lamp"]})   -> also {"scores": [N, 2]}, cosines

Input: the path of a scene file, or its arrays by name (means, quats, log_scales, opacity_logits, sh); a list of either
gives a list.
"""

import importlib.util
import os
from collections.abc import Mapping

import mlflow
import numpy as np

ARRAYS = ("means", "quats", "log_scales", "opacity_logits", "sh")


class SceneEncoder(mlflow.pyfunc.PythonModel):
    """One feed-forward pass a scene; the words' tower is read when the first query comes."""

    def load_context(self, context) -> None:
        """Read the model's folder."""
        if (
            importlib.util.find_spec("chorus_kernels._native") is None
        ):  # the model's own copy of the code brings no build for another Python
            os.environ.setdefault("CHORUS_KERNELS", "reference")
        import chorus

        self.encoder = chorus.load(context.artifacts["model"])

    def predict(self, context, model_input, params: dict | None = None):
        """Features of every Gaussian, in the order of the input. Raises ChorusError for a scene that cannot be read."""
        params = params or {}
        output, queries = str(params.get("output", "lang")), [str(q) for q in params.get("queries", [])]
        if hasattr(model_input, "to_dict"):  # a served table with a column "path"
            model_input = [str(path) for path in model_input["path"]]
        if isinstance(model_input, (list, tuple)):
            return [self._one(item, output, queries) for item in model_input]
        return self._one(model_input, output, queries)

    def _one(self, item, output: str, queries: list[str]) -> dict[str, np.ndarray]:
        scene = _scene(item)
        encoded = self.encoder.encode(
            scene, outputs=tuple(dict.fromkeys((output, *(["lang"] if queries else [])))), progress=False
        )
        found = {"features": encoded[output].numpy(), "positions": scene.means.numpy()}
        return found | ({"scores": encoded.query(queries).numpy()} if queries else {})


def _scene(item):
    import chorus
    from chorus.errors import InputError
    from chorus.scene import GaussianScene

    if isinstance(item, (str, os.PathLike)):
        return chorus.read(item)
    if not isinstance(item, Mapping) or set(item) != set(ARRAYS):
        got = sorted(item) if isinstance(item, Mapping) else type(item).__name__
        raise InputError("scene", expected=f"a path, or arrays named {', '.join(ARRAYS)}", got=got)
    import torch

    return GaussianScene(**{name: torch.as_tensor(np.asarray(item[name], np.float32)) for name in ARRAYS}).validate(
        "scene"
    )


mlflow.models.set_model(SceneEncoder())
