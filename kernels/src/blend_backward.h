// What the three-channel and the many-channel backward passes share.
#pragma once
#include "splat_group.h"

namespace chorus {
namespace CHORUS_ISA {

// v = dL/d(log alpha) of one splat at L pixels, zero where alpha hit its ceiling; moves R from behind the splat to
// before it.
static inline vf log_alpha_gradient(vf alpha, vf weight, vf value, vf& R) {
  vf difference = value - R;
  R = R + alpha * difference;
  return keep(gt(set1(ALPHA_MAX), alpha), weight * difference);
}

// Adds a tile's sums to the splats' sums: directly when one thread walks the tiles in order (slots is null), else into
// one slot for each splat and tile, which reduce_slots (frame.cpp) adds in the same order, so that the bits do not
// depend on the number of threads. Every slot of the tile is written.
static inline void flush_tile(const Frame& f, int tile, const TileWork& work, const float* tile_sums, float* sums,
                              const int64_t* slots) {
  const int64_t start = f.tile_start[tile];
  if (slots) {
    each_slot(f, tile, work, slots, [&](int64_t slot, int i) {
      float* to = sums + SUM_STRIDE * slot;
      for (int j = 0; j < SUM_STRIDE; j += L) store(to + j, i < 0 ? vf{} : load(tile_sums + SUM_STRIDE * i + j));
    });
    return;
  }
  for (int i = 0; i < work.n; ++i) {
    const float* from = tile_sums + SUM_STRIDE * i;
    float* to = sums + SUM_STRIDE * (int64_t)f.entries[start + work.entry[i]];
    if (i + AHEAD < work.n)
      __builtin_prefetch(sums + SUM_STRIDE * (int64_t)f.entries[start + work.entry[i + AHEAD]], 1);
    for (int j = 0; j < SUM_STRIDE; j += L) store(to + j, load(to + j) + load(from + j));
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
