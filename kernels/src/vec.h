// Vectors of L floats for the instruction set this file is being compiled for.
//
// The hot files are compiled once per instruction set, each time inside its own namespace chorus::CHORUS_ISA.
// They use no standard-library templates: the linker would keep one copy of such a function for all builds, perhaps the
// AVX-512 one, and an older machine would die in it.
//
// A splat meets pixels in blocks of 4 x 4: lane = 4 * row + column. A block is NV = 16 / L vectors.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef CHORUS_ISA
#error "hot files are compiled with -DCHORUS_ISA=<name>"
#endif

namespace chorus {
namespace CHORUS_ISA {

#if defined(__AVX512F__)
constexpr int L = 16;
#elif defined(__AVX2__)
constexpr int L = 8;
#else
constexpr int L = 4;
#endif
constexpr int NV = 16 / L;

typedef float vf __attribute__((vector_size(4 * L)));
typedef int32_t vi __attribute__((vector_size(4 * L)));

static inline vf set1(float x) { return x - vf{}; }
static inline vi load_int(const int32_t* p) { vi v; memcpy(&v, p, sizeof v); return v; }
static inline void store_int(int32_t* p, vi v) { memcpy(p, &v, sizeof v); }
static inline vf load(const float* p) { vf v; memcpy(&v, p, sizeof v); return v; }
static inline void store(float* p, vf v) { memcpy(p, &v, sizeof v); }

#if defined(__AVX512F__)
// ---------------------------------------------------------------------------------------------- AVX-512: k-masks
struct vm { __mmask16 k; };
static inline vm ge(vf a, vf b) { return {_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ)}; }
static inline vm gt(vf a, vf b) { return {_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ)}; }
static inline vm both(vm a, vm b) { return {(__mmask16)(a.k & b.k)}; }
static inline vm above(vi a, int32_t b) { return {_mm512_cmpgt_epi32_mask((__m512i)a, _mm512_set1_epi32(b))}; }
static inline vi count_where(vi n, vm m) {
  return (vi)_mm512_mask_add_epi32((__m512i)n, m.k, (__m512i)n, _mm512_set1_epi32(1));
}
static inline vf keep(vm m, vf a) { return (vf)_mm512_maskz_mov_ps(m.k, (__m512)a); }
static inline vf select(vm m, vf a, vf b) { return (vf)_mm512_mask_mov_ps((__m512)b, m.k, (__m512)a); }
static inline uint32_t bits(vm m) { return m.k; }
static inline vm mask_from(uint32_t b) { return {(__mmask16)b}; }
static inline vf vmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
static inline vf vmax(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
static inline vf vsqrt(vf a) { return (vf)_mm512_sqrt_ps((__m512)a); }
static inline vf vround(vf a) { return (vf)_mm512_roundscale_ps((__m512)a, 8); }
static inline vf scale2(vf y, vf r) { return (vf)_mm512_scalef_ps((__m512)y, (__m512)r); }
static inline vf dimmed(vf T, vf a) { return (vf)_mm512_fnmadd_ps((__m512)T, (__m512)a, (__m512)T); }
#elif defined(__SSE4_2__)
// ------------------------------------------------------------------------------------- AVX2 and SSE4.2: vector masks
struct vm { vf k; };
#if defined(__AVX2__)
typedef __m256 mm;
typedef __m256i mmi;
#define CHORUS_MM(name) _mm256_##name
static inline vm ge(vf a, vf b) { return {(vf)_mm256_cmp_ps((mm)a, (mm)b, _CMP_GE_OQ)}; }
static inline vm gt(vf a, vf b) { return {(vf)_mm256_cmp_ps((mm)a, (mm)b, _CMP_GT_OQ)}; }
static inline vf dimmed(vf T, vf a) { return (vf)_mm256_fnmadd_ps((mm)T, (mm)a, (mm)T); }
#else
typedef __m128 mm;
typedef __m128i mmi;
#define CHORUS_MM(name) _mm_##name
static inline vm ge(vf a, vf b) { return {(vf)_mm_cmpge_ps((mm)a, (mm)b)}; }
static inline vm gt(vf a, vf b) { return {(vf)_mm_cmpgt_ps((mm)a, (mm)b)}; }
#endif
static inline vm both(vm a, vm b) { return {(vf)CHORUS_MM(and_ps)((mm)a.k, (mm)b.k)}; }
static inline vm above(vi a, int32_t b) { return {(vf)CHORUS_MM(cmpgt_epi32)((mmi)a, CHORUS_MM(set1_epi32)(b))}; }
static inline vf keep(vm m, vf a) { return (vf)CHORUS_MM(and_ps)((mm)m.k, (mm)a); }
static inline vf select(vm m, vf a, vf b) { return (vf)CHORUS_MM(blendv_ps)((mm)b, (mm)a, (mm)m.k); }
static inline uint32_t bits(vm m) { return (uint32_t)CHORUS_MM(movemask_ps)((mm)m.k); }
static inline vf vmin(vf a, vf b) { return (vf)CHORUS_MM(min_ps)((mm)a, (mm)b); }
static inline vf vmax(vf a, vf b) { return (vf)CHORUS_MM(max_ps)((mm)a, (mm)b); }
static inline vf vsqrt(vf a) { return (vf)CHORUS_MM(sqrt_ps)((mm)a); }
static inline vf vround(vf a) { return (vf)CHORUS_MM(round_ps)((mm)a, 8); }
static inline vi to_int(vf a) { return (vi)CHORUS_MM(cvtps_epi32)((mm)a); }
#undef CHORUS_MM
#else
// ------------------------------------------------------------------------------ any other machine: GCC's own lowering
struct vm { vf k; };
static inline vm as_mask(vi m) { return {(vf)m}; }
static inline vm ge(vf a, vf b) { return as_mask(a >= b); }
static inline vm gt(vf a, vf b) { return as_mask(a > b); }
static inline vm both(vm a, vm b) { return as_mask((vi)a.k & (vi)b.k); }
static inline vm above(vi a, int32_t b) { return as_mask(a > b); }
static inline vf keep(vm m, vf a) { return (vf)((vi)m.k & (vi)a); }
static inline vf select(vm m, vf a, vf b) { return (vi)m.k ? a : b; }
static inline uint32_t bits(vm m) {
  uint32_t r = 0;
  for (int i = 0; i < L; ++i) r |= (((vi)m.k)[i] ? 1u : 0u) << i;
  return r;
}
static inline vf vmin(vf a, vf b) { return a < b ? a : b; }
static inline vf vmax(vf a, vf b) { return a > b ? a : b; }
static inline vf vsqrt(vf a) { for (int i = 0; i < L; ++i) a[i] = __builtin_sqrtf(a[i]); return a; }
static inline vf vround(vf a) { for (int i = 0; i < L; ++i) a[i] = __builtin_rintf(a[i]); return a; }
static inline vi to_int(vf a) { vi r; for (int i = 0; i < L; ++i) r[i] = (int32_t)a[i]; return r; }
#endif

#if !defined(__AVX512F__)
static inline vi count_where(vi n, vm m) { return n - (vi)m.k; }
static inline vm mask_from(uint32_t b) {
  vi m;
  for (int i = 0; i < L; ++i) m[i] = (b >> i & 1u) ? -1 : 0;
  return {(vf)m};
}
// Adds the integer r to the exponent of y; right for results in the normal range, which is all that callers keep.
static inline vf scale2(vf y, vf r) { return (vf)((vi)y + (to_int(r) << 23)); }
#endif

// dimmed(T, a) = T (1 - a) with a relative error of rounding alone, however small 1 - a is: T - T * a rounds twice.
#if !defined(__AVX2__)
static inline vf dimmed(vf T, vf a) { return T * (1.0f - a); }
#endif

constexpr uint32_t FULL = L == 32 ? ~0u : (1u << L) - 1u;

// 2^x on [-1/2, 1/2], highest power first: minimax with value 1 at 0.
// With scale2, 2^x on |x| < 126 to a relative error of 1e-7.
constexpr float EXP2[6] = {1.326472764841158e-3f, 9.671512676547200e-3f, 5.550733741652103e-2f, 2.402224208457216e-1f,
                           6.931469776004682e-1f, 1.0f};

static inline vi truncated(vf a) { return __builtin_convertvector(a, vi); }
static inline vf vceil(vf a) {
  const vf near = vround(a);
  return near + keep(gt(a, near), set1(1.0f));
}

// log2 of positive normal numbers to a relative error of 1e-7: x = m 2^e with m in [sqrt(1/2), sqrt(2)) and
// log2 m = 2 artanh(t) / ln 2 with t = (m - 1) / (m + 1), |t| < 0.172.
static inline vf vlog2(vf x) {
  const vi e = ((vi)x - 0x3F3504F3) >> 23;
  const vf m = (vf)((vi)x - (e << 23)), t = (m - 1.0f) / (m + 1.0f), tt = t * t;
  vf series = tt * 0.320598898f + 0.412198583f;
  series = series * tt + 0.577078016f;
  series = series * tt + 0.961796694f;
  series = series * tt + 2.88539008f;
  return t * series + __builtin_convertvector(e, vf);
}

static inline float hsum(vf v) {
  float s[L];
  store(s, v);
  for (int w = L / 2; w > 0; w /= 2)
    for (int i = 0; i < w; ++i) s[i] += s[i + w];
  return s[0];
}

}  // namespace CHORUS_ISA
}  // namespace chorus
