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

#if defined(__AVX512F__)
constexpr int SIDE_BY_SIDE = 4;
#else
constexpr int SIDE_BY_SIDE = 2;  // 16 registers
#endif
constexpr int GROUP = SIDE_BY_SIDE * L;

// Skilling's step: where `axis` has the bit, invert the lower bits of the first axis; else exchange them with its.
#if defined(__AVX512F__)
inline void invert_first(vi& first, vi bit, vi lower) {
  const __mmask16 set = _mm512_test_epi32_mask((__m512i)first, (__m512i)bit);
  first = (vi)_mm512_mask_xor_epi32((__m512i)first, set, (__m512i)first, (__m512i)lower);
}
inline void invert_or_exchange(vi& first, vi& axis, vi bit, vi lower) {
  const __mmask16 clear = _mm512_testn_epi32_mask((__m512i)axis, (__m512i)bit);
  const __m512i differ = (__m512i)((first ^ axis) & lower);
  first ^= (vi)_mm512_mask_mov_epi32((__m512i)lower, clear, differ);
  axis = (vi)_mm512_mask_xor_epi32((__m512i)axis, clear, (__m512i)axis, differ);
}
#else
inline void invert_first(vi& first, vi bit, vi lower) { first ^= ((first & bit) != 0) & lower; }
inline void invert_or_exchange(vi& first, vi& axis, vi bit, vi lower) {
  const vi set = (axis & bit) != 0, differ = (first ^ axis) & lower & ~set;
  first ^= differ | (set & lower);
  axis ^= differ;
}
#endif

// Coordinates -> the curve's index in transposed, Gray-coded form, for a group of points. Every step waits for the one
// before it, so several vectors go side by side.
void hilbert_axes(vi (*x)[SIDE_BY_SIDE], int depth) {
  for (int b = depth - 1; b > 0; --b) {
    const vi bit = (1 << b) - vi{}, lower = bit - 1;
    for (int g = 0; g < SIDE_BY_SIDE; ++g) invert_first(x[0][g], bit, lower);
    for (int axis = 1; axis < 3; ++axis)
      for (int g = 0; g < SIDE_BY_SIDE; ++g) invert_or_exchange(x[0][g], x[axis][g], bit, lower);
  }
}

inline uint64_t from_gray(uint64_t g) {
  for (int s = 1; s < 64; s *= 2) g ^= g >> s;
  return g;
}

void group_codes(const int32_t* grid, const int64_t* batch, int64_t first, int count, const CurveOrder& order,
                 int64_t* codes) {
  alignas(64) int32_t axes[3][GROUP] = {};
  for (int i = 0; i < count; ++i)
    for (int j = 0; j < 3; ++j) axes[j][i] = grid[3 * (first + i) + (order.swap_xy && j < 2 ? 1 - j : j)];
  if (order.hilbert) {
    vi x[3][SIDE_BY_SIDE];
    memcpy(x, axes, sizeof x);
    hilbert_axes(x, order.depth);
    memcpy(axes, x, sizeof x);
  }
  uint64_t code[GROUP];
  for (int i = 0; i < GROUP; ++i)
    code[i] = spread((uint32_t)axes[0][i]) << 2 | spread((uint32_t)axes[1][i]) << 1 | spread((uint32_t)axes[2][i]);
  if (order.hilbert)
    for (int i = 0; i < GROUP; ++i) code[i] = from_gray(code[i]);
  for (int i = 0; i < count; ++i)
    codes[first + i] = (int64_t)(code[i] | (uint64_t)batch[first + i] << (3 * order.depth));
}

}  // namespace

void curve_codes(const int32_t* grid, const int64_t* batch, int64_t n, const CurveOrder& order, int64_t* codes,
                 int threads) {
  const int64_t groups = (n + GROUP - 1) / GROUP;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t k = 0; k < groups; ++k) {
    const int64_t left = n - k * GROUP;
    group_codes(grid, batch, k * GROUP, (int)(left < GROUP ? left : GROUP), order, codes);
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
