"""Automatic masks: SAM asked at a grid of points, filtered and thinned by vectorised suppression."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from chorus.device import device_of
from chorus.extras import extra
from chorus.params import MaskParams
from chorus.teachers.foundation.trunk import Network
from chorus.teachers.nms import PackedMasks, box_nms, concatenate, mask_nms, pack


class SamMasks:
    """Masks of a whole image, best first.

    The filters are those of segment-anything's generator on one crop: predicted quality, stability under a shift of the
    threshold, box suppression, then small islands and holes; ``mask_nms`` below 1 adds suppression by the masks
    themselves.
    """

    def __init__(
        self,
        sam: Network,
        params: MaskParams,
        *,
        fingerprint: str = "",
        device: torch.device | str | None = None,
        half: bool = True,
        points: int = 64,
    ):
        self.device = torch.device(device) if device else device_of()
        self.params, self.fingerprint = params, fingerprint
        self._half = half and self.device.type == "cuda"
        self._sam: Network = sam.eval().requires_grad_(False).to(self.device)
        self._points = points

    @torch.no_grad()
    def __call__(self, image: Tensor) -> PackedMasks:
        """image [H, W, 3] in 0..1 -> masks of that size."""
        with extra("foundation"):
            from segment_anything import SamPredictor
            from segment_anything.utils.amg import build_point_grid

        predictor: Any = SamPredictor(self._sam)
        picture = (image.clamp(0, 1) * 255).round().byte().cpu().numpy()
        with torch.autocast("cuda", enabled=self._half):
            predictor.set_image(picture)
        predictor.features = predictor.features.float()
        grid = build_point_grid(self.params.points_per_side) * np.array(picture.shape[1::-1])
        found = [
            self._ask(predictor, grid[i : i + self._points], picture.shape[:2])
            for i in range(0, len(grid), self._points)
        ]
        masks, quality = concatenate([m for m, _ in found]), np.concatenate([q for _, q in found])
        kept = box_nms(_sam_boxes(masks), quality, self.params.box_nms)
        masks, quality = masks.select(kept), quality[kept]
        if self.params.min_area:
            masks, quality = self._tidy(masks, quality)
        return masks.select(mask_nms(masks, quality, self.params.mask_nms)) if self.params.mask_nms < 1 else masks

    def _ask(self, predictor, points: np.ndarray, shape: tuple[int, int]) -> tuple[PackedMasks, np.ndarray]:
        """The masks under a batch of points [P, 2] (x, y), pixels, and their predicted quality."""
        from segment_anything.utils.amg import calculate_stability_score

        coords = torch.as_tensor(predictor.transform.apply_coords(points, shape), device=self.device)
        labels = torch.ones(len(coords), dtype=torch.int, device=self.device)
        logits, quality, _ = predictor.predict_torch(
            coords[:, None], labels[:, None], multimask_output=True, return_logits=True
        )
        logits, quality = logits.flatten(0, 1), quality.flatten(0, 1)
        good = quality > self.params.pred_iou
        logits, quality = logits[good], quality[good]
        threshold = self._sam.mask_threshold
        stable = calculate_stability_score(logits, threshold, 1.0) >= self.params.stability
        return pack((logits[stable] > threshold).cpu().numpy()), quality[stable].cpu().numpy()

    def _tidy(self, masks: PackedMasks, quality: np.ndarray) -> tuple[PackedMasks, np.ndarray]:
        """Islands and holes under ``min_area`` pixels removed; suppressed again, untouched masks first."""
        from segment_anything.utils.amg import remove_small_regions

        changed, cleaned = np.zeros(len(masks), bool), []
        for i in range(len(masks)):
            mask = masks.unpack(slice(i, i + 1))[0]
            mask, filled = remove_small_regions(mask, self.params.min_area, mode="holes")
            mask, cut = remove_small_regions(mask, self.params.min_area, mode="islands")
            changed[i] = filled or cut
            cleaned.append(mask)
        if not cleaned:
            return masks, quality
        masks = pack(np.stack(cleaned))
        kept = box_nms(_sam_boxes(masks), (~changed).astype(float), self.params.box_nms)
        return masks.select(kept), quality[kept]


def _sam_boxes(masks: PackedMasks) -> np.ndarray:
    """Boxes as segment-anything measures them: from the first to the last pixel, both ends counted as coordinates."""
    return masks.boxes - np.array([0, 0, 1, 1]) * (masks.areas[:, None] > 0)
