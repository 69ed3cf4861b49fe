// A tile is 16 blocks of 4 x 4 pixels. Every block gets its own depth-ordered list of the splats that can reach it, so that the blend
// wastes few lanes; whether a splat reaches a block is decided exactly (the smallest exponent over the block's rectangle).
#pragma once
#include "frame.h"
#include "reduce.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

constexpr int CHUNK = 256;  // splats of a tile that are listed at a time

struct Px { vf v[NV]; };    // one value for each pixel of a block

static inline const float* lane_columns() {
  alignas(64) static const float k[16] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
  return k;
}
static inline const float* lane_rows() {
  alignas(64) static const float k[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
  return k;
}

// Bit b is set when the splat can reach alpha >= 1/255 on some pixel centre of block b (b = 4 * block row + block column).
// (left, top): centre of the tile's first pixel.
static inline uint32_t blocks_reached(const Splat& g, float left, float top) {
  const float slack = g.budget * 1.0001f + 1e-3f;  // rounding may add a block, never lose one
  uint32_t reached = 0;
  for (int s = 0; s < NV; ++s) {
    vf x0 = 4.0f * load(lane_columns() + s * L) + (left - g.mx), y0 = 4.0f * load(lane_rows() + s * L) + (top - g.my);
    vf x1 = x0 + 3.0f, y1 = y0 + 3.0f;
    // The nearest point is inside, or on the vertical edge that faces the mean, or on the horizontal one.
    vf xe = vmax(x0, vmin(x1, vf{})), ye = vmax(y0, vmin(y1, vf{}));
    vf yv = vmax(y0, vmin(y1, g.dy_of_dx * xe)), xh = vmax(x0, vmin(x1, g.dx_of_dy * ye));
    vf uv = g.u11 * xe + g.u12 * yv, wv = g.u22 * yv;
    vf uh = g.u11 * xh + g.u12 * ye, wh = g.u22 * ye;
    vf least = vmin(uv * uv + wv * wv, uh * uh + wh * wh);
    reached |= bits(ge(set1(slack), least)) << (s * L);
  }
  return reached;
}

// One block's pixels.
struct BlockPixels {
  Px x, y;                // centres
  uint32_t inside;        // bit per pixel: inside the image
};
static inline BlockPixels block_pixels(const Frame& f, int tile, int block) {
  BlockPixels b;
  const int x0 = tile % f.tiles_x * TILE + block % 4 * 4, y0 = tile / f.tiles_x * TILE + block / 4 * 4;
  for (int s = 0; s < NV; ++s) {
    b.x.v[s] = load(lane_columns() + s * L) + (x0 + 0.5f);
    b.y.v[s] = load(lane_rows() + s * L) + (y0 + 0.5f);
  }
  const int w = f.camera.width - x0, h = f.camera.height - y0;
  const uint32_t row = w >= 4 ? 15u : w <= 0 ? 0u : (1u << w) - 1u;
  const int rows = h >= 4 ? 4 : h <= 0 ? 0 : h;
  b.inside = (row * 0x1111u) & (rows == 4 ? 0xFFFFu : (1u << (4 * rows)) - 1u);
  return b;
}

static inline uint32_t part(uint32_t pixels, int s) { return pixels >> (s * L) & FULL; }

// alpha of a splat at a block's pixels where it is at least 1/255, and the mask of those.
struct Alpha { vf a; vm valid; };
static inline Alpha alpha_at(const Splat& g, vf x, vf y, vm alive) {
  vf dx = x - g.mx, dy = y - g.my;
  vf w = g.u22 * dy, u = g.u11 * dx + g.u12 * dy;
  vf p = g.log2_opacity - u * u - w * w;
  vm valid = both(ge(p, set1(-LOG2_255)), alive);
  return {vmin(exp2v(p), set1(ALPHA_MAX)), valid};
}

// The lists of a tile's entries [first, last): list[b][0..count[b]) are positions inside the tile.
struct BlockLists { int count[16]; uint16_t list[16][CHUNK]; };

static inline void list_blocks(const Frame& f, int tile, int64_t first, int64_t last, BlockLists& lists) {
  const float left = tile % f.tiles_x * TILE + 0.5f, top = tile / f.tiles_x * TILE + 0.5f;
  const uint32_t* entries = f.entries + f.tile_start[tile] + first;
  for (int b = 0; b < 16; ++b) lists.count[b] = 0;
  for (int i = 0; i < (int)(last - first); ++i) {
    uint32_t reached = blocks_reached(f.splats[entries[i]], left, top);
    while (reached) {
      const int b = __builtin_ctz(reached);
      reached &= reached - 1;
      lists.list[b][lists.count[b]++] = (uint16_t)i;
    }
  }
}

// For every splat that touches the block, in depth order: its position inside the tile and its pixels' alpha and transmittance
// before it; alpha is 0 where the splat does not count. Exactly the forward pass again.
struct Trace { int32_t* position; float* alpha; float* before; };

// Lists of the whole of a tile for all its blocks, as far as the forward pass went; in thread scratch.
struct TileLists { int count[16]; uint32_t* list[16]; };

static inline TileLists list_tile(const Frame& f, int tile, int slot) {
  const int64_t used = f.tile_used[tile];
  uint32_t* all = (uint32_t*)thread_scratch(slot, (size_t)(16 * used + 16) * sizeof(uint32_t));
  TileLists t;
  for (int b = 0; b < 16; ++b) { t.count[b] = 0; t.list[b] = all + b * used; }
  const float left = tile % f.tiles_x * TILE + 0.5f, top = tile / f.tiles_x * TILE + 0.5f;
  const uint32_t* entries = f.entries + f.tile_start[tile];
  for (int64_t i = 0; i < used; ++i) {
    uint32_t reached = blocks_reached(f.splats[entries[i]], left, top);
    while (reached) {
      const int b = __builtin_ctz(reached);
      reached &= reached - 1;
      t.list[b][t.count[b]++] = (uint32_t)i;
    }
  }
  return t;
}

// Returns how many splats touched the block; last: transmittance behind them all.
static inline int trace_block(const Frame& f, int tile, const BlockPixels& px, const uint32_t* list, int count, const Trace& out,
                              Px* last = nullptr) {
  const uint32_t* entries = f.entries + f.tile_start[tile];
  vf T[NV];
  vm alive[NV];
  for (int s = 0; s < NV; ++s) { T[s] = set1(1.0f); alive[s] = mask_from(part(px.inside, s)); }
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    const Splat& g = f.splats[entries[list[i]]];
    uint32_t touched = 0, living = 0;
    for (int s = 0; s < NV; ++s) {
      Alpha a = alpha_at(g, px.x.v[s], px.y.v[s], alive[s]);
      vf next = T[s] - keep(a.valid, T[s] * a.a);  // the mask stands between product and difference, as in blend_block: same rounding
      vm ok = gt(next, set1(T_MIN));
      vf alpha = keep(both(a.valid, ok), a.a);
      alive[s] = both(alive[s], ok);
      store(out.alpha + 16 * (int64_t)kept + s * L, alpha);
      store(out.before + 16 * (int64_t)kept + s * L, T[s]);
      T[s] = select(ok, next, T[s]);
      touched |= bits(a.valid);
      living |= bits(alive[s]);
    }
    out.position[kept] = (int32_t)list[i];
    kept += touched != 0;
    if (!living) break;
  }
  if (last)
    for (int s = 0; s < NV; ++s) last->v[s] = T[s];
  return kept;
}

static inline Trace trace_scratch(int count, int slot) {
  const size_t n = (size_t)count + 1;
  char* p = (char*)thread_scratch(slot, n * (2 * 64 + 4) + 64);
  return {(int32_t*)(p + n * 128), (float*)p, (float*)(p + n * 64)};
}

}  // namespace CHORUS_ISA
}  // namespace chorus
