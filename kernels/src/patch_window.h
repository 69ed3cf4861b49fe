// Which patches a pixel is interpolated from. Plain functions on plain data; static, so that every build has its own.
#pragma once
#include "ops.h"

namespace chorus {

struct PatchSpan { int first, second; float fraction; };  // value = (1 - fraction) map[first] + fraction map[second]

// torch.nn.functional.interpolate(align_corners=False) from `patches` to `size` samples, at sample `pixel`.
static inline PatchSpan patch_span(int pixel, int size, int patches, bool bilinear) {
  const float scale = (float)patches / (float)size;
  if (!bilinear) {
    int k = (int)(pixel * scale);
    k = k < patches ? k : patches - 1;
    return {k, k, 0.0f};
  }
  float at = scale * (pixel + 0.5f) - 0.5f;
  at = at < 0.0f ? 0.0f : at;
  int first = (int)at;
  first = first < patches ? first : patches - 1;
  const int second = first + (first < patches - 1 ? 1 : 0);
  return {first, second, at - first};
}

// No run of `pixels` samples touches more patches than this.
static inline int patch_span_most(int pixels, int size, int patches) {
  const int64_t most = ((int64_t)pixels * patches + size - 1) / size + 3;
  return (int)(most < patches ? most : patches);
}

struct PatchWindow { int row0, col0, rows, cols; };

// Patches that a tile's pixels touch.
static inline PatchWindow patch_window(const Frame& f, const PatchGrid& g, int tile_x, int tile_y) {
  const int w = f.camera.width, h = f.camera.height;
  const int x0 = tile_x * TILE, y0 = tile_y * TILE;
  const int x1 = (x0 + TILE < w ? x0 + TILE : w) - 1, y1 = (y0 + TILE < h ? y0 + TILE : h) - 1;
  const int c0 = patch_span(x0, w, g.cols, g.bilinear).first, c1 = patch_span(x1, w, g.cols, g.bilinear).second;
  const int r0 = patch_span(y0, h, g.rows, g.bilinear).first, r1 = patch_span(y1, h, g.rows, g.bilinear).second;
  return {r0, c0, r1 - r0 + 1, c1 - c0 + 1};
}

}  // namespace chorus
