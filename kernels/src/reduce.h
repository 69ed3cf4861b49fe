// Sums over the 16 pixels of a block for up to 16 quantities at once.
//
// Summing one vector across its lanes costs log2(L) dependent shuffles; summing many together costs about two shuffles
// and one add for each, because every step halves the lanes of two vectors and packs them into one.
#pragma once
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

#if defined(__AVX512F__)
static inline __m512 fold_halves(__m512 a, __m512 b) {  // lanes: [a + a' | b + b'], halves of 256 bits
  return _mm512_shuffle_f32x4(a, b, 0x44) + _mm512_shuffle_f32x4(a, b, 0xEE);
}
static inline __m512 fold_quarters(__m512 a, __m512 b) {  // [a0+a1, a2+a3, b0+b1, b2+b3] of 128 bits
  return _mm512_shuffle_f32x4(a, b, 0x88) + _mm512_shuffle_f32x4(a, b, 0xDD);
}
static inline __m512 fold_pairs(__m512 a, __m512 b) {  // within each 128 bits: [a01.., b01..]
  return _mm512_shuffle_ps(a, b, 0x44) + _mm512_shuffle_ps(a, b, 0xEE);
}
static inline __m512 fold_ones(__m512 a, __m512 b) {
  return _mm512_shuffle_ps(a, b, 0x88) + _mm512_shuffle_ps(a, b, 0xDD);
}

// q: Q vectors; returns their lane sums, quantity i in lane i; unused lanes are undefined sums of q[Q-1].
template <int Q>
static inline vf sum_lanes(const vf* q) {
  static_assert(Q >= 1 && Q <= 16, "at most 16 quantities");
  auto at = [&](int i) { return (__m512)q[i < Q ? i : Q - 1]; };
  __m512 z[4];
  for (int i = 0; i < 4; ++i) {
    if (4 * i >= Q) { z[i] = z[i - 1]; continue; }
    // quantity order inside z[i]: quarters 4i, 4i+1, 4i+2, 4i+3
    __m512 x = fold_halves(at(4 * i), at(4 * i + 1));
    __m512 y = 4 * i + 2 < Q ? fold_halves(at(4 * i + 2), at(4 * i + 3)) : x;
    z[i] = fold_quarters(x, y);
  }
  __m512 a = fold_pairs(z[0], z[1]);
  __m512 b = Q > 8 ? fold_pairs(z[2], z[3]) : a;
  __m512 r = fold_ones(a, b);  // quarter j holds quantities j, 4+j, 8+j, 12+j
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return (vf)_mm512_permutexvar_ps(order, r);
}

template <int Q>
static inline void add_sums(float* out16, const vf (*q)[NV]) {
  vf v[Q];
  for (int i = 0; i < Q; ++i) v[i] = q[i][0];
  store(out16, load(out16) + sum_lanes<Q>(v));
}
#else
// Fold four vectors of four lanes into one vector of their sums.
typedef float v4 __attribute__((vector_size(16)));
static inline v4 fold4(v4 a, v4 b, v4 c, v4 d) {
  v4 ab = __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
  v4 cd = __builtin_shufflevector(c, d, 0, 1, 4, 5) + __builtin_shufflevector(c, d, 2, 3, 6, 7);
  return __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
}
static inline v4 to4(const vf* q) {  // NV vectors of L lanes -> 4 partial sums
  vf s = q[0];
  for (int i = 1; i < NV; ++i) s = s + q[i];
#if defined(__AVX2__)
  return (v4)_mm256_castps256_ps128((__m256)s) + (v4)_mm256_extractf128_ps((__m256)s, 1);
#else
  return (v4)s;
#endif
}
template <int Q>
static inline void add_sums(float* out16, const vf (*q)[NV]) {
  for (int i = 0; i < Q; i += 4) {
    auto at = [&](int j) { return to4(q[j < Q ? j : Q - 1]); };
    v4 s = fold4(at(i), at(i + 1), at(i + 2), at(i + 3)), old;
    memcpy(&old, out16 + i, 16);
    old += s;
    memcpy(out16 + i, &old, 16);
  }
}
#endif

}  // namespace CHORUS_ISA
}  // namespace chorus
