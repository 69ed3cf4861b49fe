// Sums over a block's pixels for L splats at once, with the splats in the lanes.
//
// A pass goes over a block splat by splat, a lane for each pixel. Summing ten quantities of every splat across lanes
// would be mostly shuffles. So two values for each pixel are put aside until there are L splats, turned around, and the
// rest is plain arithmetic.
#pragma once
#include "tile.h"
#include "turn.h"

namespace chorus {
namespace CHORUS_ISA {

// Splats of one block, added up L at a time; there is room for those that are computed side by side with the last one.
// v = dL/d(log alpha); weight = T alpha.
struct SplatGroup {
  alignas(64) float v[L + ABREAST][16], weight[L + ABREAST][16];  // [splat][pixel]
  uint32_t row[L + ABREAST];                                      // index among the tile's splats
  int n;
};

// Part s of a group's [splat][pixel] array, turned: r[pixel] = L splats.
static inline void turned(const float (*rows)[16], int s, vf* r) {
  for (int i = 0; i < L; ++i) r[i] = load(rows[i] + s * L);
  turn(r);
}

// Moments of v in the splats' own coordinates (u, w), which stay of order one however thin a splat is.
template <bool ABS>
static inline void shape_sums(const SplatGroup& g, const Splat* splats, int block, vf* sums) {
  constexpr int FIELDS = L < 8 ? 8 : L;
  vf field[FIELDS];
  for (int part = 0; part < FIELDS; part += L) {
    for (int i = 0; i < L; ++i) field[part + i] = load(&splats[g.row[i]].mx + part);
    turn(field + part);
  }
  const vf mx = field[0], my = field[1], u11 = field[2], u12 = field[3], u22 = field[4];
  const float x0 = (float)(block % 4 * 4), y0 = (float)(block / 4 * 4);
  vf dx[4], V{}, U{}, W{}, UU{}, UW{}, WW{}, X{}, Y{};
  for (int x = 0; x < 4; ++x) dx[x] = x0 + (float)x - mx;
  for (int s = 0; s < NV; ++s) {
    vf v[L];
    turned(g.v, s, v);
    for (int row = 0; row < L / 4; ++row) {
      const vf dy = y0 + (float)(s * L / 4 + row) - my, w = u22 * dy, u0 = u12 * dy;
      vf row_v{}, row_u{};
      for (int x = 0; x < 4; ++x) {
        const vf u = u11 * dx[x] + u0, here = v[4 * row + x], vu = here * u;
        row_v += here; row_u += vu; UU += vu * u;
        if (ABS) {  // per pixel |dL / d mean2d|: U^T (vu, vw), times 2 ln 2 at the end
          const vf gx = u11 * vu, gy = u12 * vu + u22 * (here * w);
          X += vmax(gx, -gx); Y += vmax(gy, -gy);
        }
      }
      const vf vw = w * row_v;
      V += row_v; U += row_u; W += vw; UW += w * row_u; WW += w * vw;
    }
  }
  sums[S_V] = V; sums[S_U] = U; sums[S_W] = W; sums[S_UU] = UU; sums[S_UW] = UW; sums[S_WW] = WW;
  sums[S_ABS_X] = X; sums[S_ABS_Y] = Y;
}

// sum over pixels of weight times the loss gradient of colors and depth, image [4][16]; from quantity FIRST on, of
// S_R .. S_Z.
template <int FIRST>
static inline void image_sums(const SplatGroup& g, const float (*image)[16], vf* sums) {
  vf acc[4] = {};
  for (int s = 0; s < NV; ++s) {
    vf weight[L];
    turned(g.weight, s, weight);
    for (int p = 0; p < L; ++p)
      for (int c = FIRST - S_R; c < 4; ++c) acc[c] += weight[p] * image[c][s * L + p];
  }
  for (int c = 0; c < 4; ++c) sums[S_R + c] = acc[c];
}

// Adds the sums of the group's first L splats to their rows of tile_sums, and keeps the rest. Of fewer splats, the
// places left over go to the row `spare`, which nobody reads.
template <bool ABS, int FIRST>
__attribute__((noinline)) static void add_group(SplatGroup& g, const Splat* splats, int block, const float (*image)[16],
                                                float* tile_sums, int spare) {
  for (int i = g.n; i < L; ++i) g.row[i] = (uint32_t)spare;
  vf sums[SUM_STRIDE] = {};
  shape_sums<ABS>(g, splats, block, sums);
  image_sums<FIRST>(g, image, sums);
  for (int part = 0; part < SUMS; part += L) {
    vf r[L];
    for (int i = 0; i < L; ++i) r[i] = sums[part + i];
    turn(r);
    for (int i = 0; i < L; ++i) {
      float* to = tile_sums + SUM_STRIDE * (int64_t)g.row[i] + part;
      store(to, load(to) + r[i]);
    }
  }
  g.n = g.n > L ? g.n - L : 0;
  for (int i = 0; i < ABREAST; ++i) {  // not a loop to g.n: its end would be a surprise
    g.row[i] = g.row[L + i];
    for (int s = 0; s < NV; ++s) {
      store(g.v[i] + s * L, load(g.v[L + i] + s * L));
      store(g.weight[i] + s * L, load(g.weight[L + i] + s * L));
    }
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
