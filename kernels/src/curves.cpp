// Positions along a Z (Morton) or Hilbert curve of integer grid points.
//
// Hilbert: J. Skilling, "Programming the Hilbert curve", AIP Conf. Proc. 707 (2004), with x as the first axis.
#include "ops.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

// Bit i of the 21-bit v goes to bit 3 i.
inline uint64_t spread(uint64_t v) {
  v &= 0x1fffff;
  v = (v | v << 32) & 0x001f00000000ffffull;
  v = (v | v << 16) & 0x001f0000ff0000ffull;
  v = (v | v << 8) & 0x100f00f00f00f00full;
  v = (v | v << 4) & 0x10c30c30c30c30c3ull;
  v = (v | v << 2) & 0x1249249249249249ull;
  return v;
}

// Coordinates -> the curve's index in transposed, Gray-coded form, for a group of points.
void hilbert_axes(vi* x, int depth) {
  for (int b = depth - 1; b > 0; --b) {
    const int lower = (1 << b) - 1;
    for (int axis = 0; axis < 3; ++axis) {
      vi set = -(x[axis] >> b & 1);             // all ones where the bit is set
      x[0] ^= lower & set;                      // set: invert the lower bits of the first axis
      vi swap = (x[0] ^ x[axis]) & lower & ~set;  // clear: exchange them with this axis
      x[0] ^= swap;
      x[axis] ^= swap;
    }
  }
}

inline uint64_t from_gray(uint64_t g) {
  for (int s = 1; s < 64; s *= 2) g ^= g >> s;
  return g;
}

constexpr int GROUP = 4 * L;

void group_codes(const int32_t* grid, const int64_t* batch, int64_t first, int count, const CurveOrder& order, int64_t* codes) {
  alignas(64) int32_t axes[3][GROUP] = {};
  for (int i = 0; i < count; ++i)
    for (int j = 0; j < 3; ++j) axes[j][i] = grid[3 * (first + i) + (order.swap_xy && j < 2 ? 1 - j : j)];
  if (order.hilbert)
    for (int g = 0; g < GROUP; g += L) {
      vi x[3];
      for (int j = 0; j < 3; ++j) memcpy(&x[j], axes[j] + g, sizeof(vi));
      hilbert_axes(x, order.depth);
      for (int j = 0; j < 3; ++j) memcpy(axes[j] + g, &x[j], sizeof(vi));
    }
  uint64_t code[GROUP];
  for (int i = 0; i < GROUP; ++i)
    code[i] = spread((uint32_t)axes[0][i]) << 2 | spread((uint32_t)axes[1][i]) << 1 | spread((uint32_t)axes[2][i]);
  if (order.hilbert)
    for (int i = 0; i < GROUP; ++i) code[i] = from_gray(code[i]);
  for (int i = 0; i < count; ++i) codes[first + i] = (int64_t)(code[i] | (uint64_t)batch[first + i] << (3 * order.depth));
}

}  // namespace

void curve_codes(const int32_t* grid, const int64_t* batch, int64_t n, const CurveOrder& order, int64_t* codes, int threads) {
  const int64_t groups = (n + GROUP - 1) / GROUP;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t k = 0; k < groups; ++k) {
    const int64_t left = n - k * GROUP;
    group_codes(grid, batch, k * GROUP, (int)(left < GROUP ? left : GROUP), order, codes);
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
