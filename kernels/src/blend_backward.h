// What the three-channel and the many-channel backward passes share.
#pragma once
#include "tile.h"

namespace chorus {
namespace CHORUS_ISA {

// v = dL/d(log alpha) of one splat at L pixels; moves R from behind the splat to before it. Zero where alpha hit its ceiling.
static inline vf log_alpha_gradient(vf alpha, vf weight, vf value, vf& R) {
  vf difference = value - R;
  R = R + alpha * difference;
  return keep(gt(set1(ALPHA_MAX), alpha), weight * difference);
}

// Moments of v in the splat's own coordinates (u, w), which stay of order one however thin the splat is.
template <bool ABS>
static inline void shape_sums(const Splat& q, vf x, vf y, vf v, int s, vf (*sums)[NV]) {
  vf dx = x - q.mx, dy = y - q.my;
  vf w = q.u22 * dy, u = q.u11 * dx + q.u12 * dy;
  vf vu = v * u, vw = v * w;
  sums[S_V][s] = v;
  sums[S_U][s] = vu; sums[S_W][s] = vw;
  sums[S_UU][s] = vu * u; sums[S_UW][s] = vu * w; sums[S_WW][s] = vw * w;
  if (ABS) {  // per pixel |dL / d mean2d|: U^T (vu, vw), times 2 ln 2 at the end
    vf gx = q.u11 * vu, gy = q.u12 * vu + q.u22 * vw;
    sums[S_ABS_X][s] = vmax(gx, -gx);
    sums[S_ABS_Y][s] = vmax(gy, -gy);
  }
}

// Adds a tile's sums to the splats' sums: directly when one thread walks the tiles in order, else into one slot per (splat, tile)
// pair that reduce_slots (frame.cpp) adds in the same order, so that the bits do not depend on the number of threads.
// A splat that reached no block has no slot written: all slots are zeroed first.
static inline void flush_tile(const Frame& f, int tile, const TileWork& work, const float* tile_sums, float* sums, const int64_t* slots) {
  const int64_t start = f.tile_start[tile];
  for (int i = 0; i < work.n; ++i) {
    const float* from = tile_sums + SUM_STRIDE * i;
    const int64_t at = start + work.entry[i];
    float* to = sums + SUM_STRIDE * (slots ? slots[at] : (int64_t)f.entries[at]);
    if (!slots && i + AHEAD < work.n) __builtin_prefetch(sums + SUM_STRIDE * (int64_t)f.entries[start + work.entry[i + AHEAD]], 1);
    for (int j = 0; j < SUM_STRIDE; j += L) store(to + j, slots ? load(from + j) : load(to + j) + load(from + j));
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
