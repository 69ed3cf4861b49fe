"""The registered model, from code: Gaussians in, features (and scores for words) out.

    model = mlflow.pyfunc.load_model("models:/chorus_encoder@champion")
    room = {name: array.numpy() for name, array in chorus.read("scene.ply").tensors().items()}
    model.predict(room)                                              -> {"features": [N, C], "positions": [N, 3]}
    model.predict(room, params={"queries": ["a chair", "a lamp"]})   -> also {"scores": [N, 2]}, cosines
    model.predict(room, params={"queries": [...], "output": "none"}) -> without features: short, as JSON

Input: the arrays of a scene by name, as float32: means [N, 3] m, quats [N, 4], log_scales [N, 3], opacity_logits [N],
sh [N, K, 3]. A path is no input: whoever reaches a served model would name files of its machine.
"""

import importlib.util
import os

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

NONE = "none"  # in place of an output's name


class Refused(MlflowException):
    """A scene or a parameter that cannot be used. Its message stays one line: the scoring server would put the whole
    input before it."""

    def __init__(self, line: str):
        self.line = line
        super().__init__(line, error_code=BAD_REQUEST)

    @property
    def message(self) -> str:
        return self.line

    @message.setter
    def message(self, _: str) -> None:
        """What others make of it is left out."""


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
        """Features of every Gaussian, in the order of the input. Raises Refused for what is no scene and for an unknown
        output."""
        from chorus.errors import ChorusError

        params = params or {}
        output, queries = str(params.get("output", "lang")), [str(query) for query in params.get("queries", [])]
        try:
            return self._answer(_scene(model_input), output, queries)
        except ChorusError as error:
            raise Refused(str(error)) from error

    def _answer(self, scene, output: str, queries: list[str]) -> dict[str, np.ndarray]:
        wanted = [*([] if output == NONE else [output]), *(["lang"] if queries else [])]
        found = {"positions": scene.means.numpy()}
        if wanted:
            encoded = self.encoder.encode(scene, outputs=tuple(dict.fromkeys(wanted)), progress=False)
            found |= {} if output == NONE else {"features": encoded[output].numpy()}
            found |= {"scores": encoded.query(queries).numpy()} if queries else {}
        return found


def _scene(arrays):
    import torch

    from chorus.scene import GaussianScene

    tensors = {name: torch.from_numpy(np.array(array, np.float32)) for name, array in arrays.items()}
    return GaussianScene(**tensors).validate("scene")


mlflow.models.set_model(SceneEncoder())
