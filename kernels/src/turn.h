// Transposes L vectors of L lanes: from a row for each splat to a lane for each splat, and back.
#pragma once
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

#if defined(__AVX512F__)
static inline vf low_ones(vf a, vf b) { return (vf)_mm512_unpacklo_ps((__m512)a, (__m512)b); }
static inline vf high_ones(vf a, vf b) { return (vf)_mm512_unpackhi_ps((__m512)a, (__m512)b); }
static inline vf low_pairs(vf a, vf b) { return (vf)_mm512_unpacklo_pd((__m512d)a, (__m512d)b); }
static inline vf high_pairs(vf a, vf b) { return (vf)_mm512_unpackhi_pd((__m512d)a, (__m512d)b); }
template <int ORDER>
static inline vf quarters(vf a, vf b) { return (vf)_mm512_shuffle_f32x4((__m512)a, (__m512)b, ORDER); }
static inline void turn_quarters(vf* r) {
  for (int j = 0; j < 4; ++j) {
    vf low0 = quarters<0x44>(r[j], r[4 + j]), low1 = quarters<0x44>(r[8 + j], r[12 + j]);
    vf high0 = quarters<0xEE>(r[j], r[4 + j]), high1 = quarters<0xEE>(r[8 + j], r[12 + j]);
    r[j] = quarters<0x88>(low0, low1); r[4 + j] = quarters<0xDD>(low0, low1);
    r[8 + j] = quarters<0x88>(high0, high1); r[12 + j] = quarters<0xDD>(high0, high1);
  }
}
#elif defined(__AVX2__)
static inline vf low_ones(vf a, vf b) { return (vf)_mm256_unpacklo_ps((__m256)a, (__m256)b); }
static inline vf high_ones(vf a, vf b) { return (vf)_mm256_unpackhi_ps((__m256)a, (__m256)b); }
static inline vf low_pairs(vf a, vf b) { return (vf)_mm256_unpacklo_pd((__m256d)a, (__m256d)b); }
static inline vf high_pairs(vf a, vf b) { return (vf)_mm256_unpackhi_pd((__m256d)a, (__m256d)b); }
static inline void turn_quarters(vf* r) {
  for (int j = 0; j < 4; ++j) {
    vf low = (vf)_mm256_permute2f128_ps((__m256)r[j], (__m256)r[4 + j], 0x20);
    r[4 + j] = (vf)_mm256_permute2f128_ps((__m256)r[j], (__m256)r[4 + j], 0x31);
    r[j] = low;
  }
}
#else
static inline vf low_ones(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
static inline vf high_ones(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
static inline vf low_pairs(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 1, 4, 5); }
static inline vf high_pairs(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 3, 6, 7); }
static inline void turn_quarters(vf*) {}
#endif

// r[i][j] becomes r[j][i].
static inline void turn(vf* r) {
  for (int i = 0; i < L; i += 4) {  // 4 x 4 inside every 128 bits, then the 128 bits themselves
    vf a = low_ones(r[i], r[i + 1]), b = high_ones(r[i], r[i + 1]);
    vf c = low_ones(r[i + 2], r[i + 3]), d = high_ones(r[i + 2], r[i + 3]);
    r[i] = low_pairs(a, c); r[i + 1] = high_pairs(a, c); r[i + 2] = low_pairs(b, d); r[i + 3] = high_pairs(b, d);
  }
  turn_quarters(r);
}

}  // namespace CHORUS_ISA
}  // namespace chorus
