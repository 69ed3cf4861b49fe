// Sparse times dense, row by row: out[i] = sum_k values[k] dense[indices[k]], float32 sums in the order of the row.
#include "ops.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

#if defined(__AVX512F__)
constexpr int WIDE = 16;
#else
constexpr int WIDE = 8;
#endif

float half_to_float(uint16_t h) {
#if defined(__F16C__)
  return _cvtsh_ss(h);
#else
  const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff;
  uint32_t bits;
  if (rest >= 0x7c00) bits = sign | 0x7f800000u | (rest & 0x3ff) << 13;
  else {
    // Shift into the float's exponent field and let a multiplication fix the bias; right for subnormals too.
    const uint32_t raw = rest << 13;
    float f;
    memcpy(&f, &raw, 4);
    f *= 5.192296858534828e33f;  // 2^112
    memcpy(&bits, &f, 4);
    bits |= sign;
  }
  float f;
  memcpy(&f, &bits, 4);
  return f;
#endif
}

vf load_dense(const float* p) { return load(p); }
vf load_dense(const uint16_t* p) {
#if defined(__AVX512F__)
  return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
#elif defined(__AVX2__)
  return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#else
  vf v;
  for (int i = 0; i < L; ++i) v[i] = half_to_float(p[i]);
  return v;
#endif
}
float one_dense(const float* p) { return *p; }
float one_dense(const uint16_t* p) { return half_to_float(*p); }

template <int W, class T>
void row_block(const SpmmInput& in, const T* dense, int64_t row, int64_t c, float* out) {
  vf acc[W] = {};
  for (int64_t k = in.indptr[row]; k < in.indptr[row + 1]; ++k) {
    const T* from = dense + (int64_t)in.indices[k] * in.channels + c;
    vf value = set1(in.values[k]);
    for (int w = 0; w < W; ++w) acc[w] += value * load_dense(from + w * L);
  }
  for (int w = 0; w < W; ++w) store(out + row * in.channels + c + w * L, acc[w]);
}

template <class T>
void row_tail(const SpmmInput& in, const T* dense, int64_t row, int64_t c, float* out) {
  for (; c < in.channels; ++c) {
    float acc = 0.0f;
    for (int64_t k = in.indptr[row]; k < in.indptr[row + 1]; ++k) acc += in.values[k] * one_dense(dense + (int64_t)in.indices[k] * in.channels + c);
    out[row * in.channels + c] = acc;
  }
}

// A slab of channels at a time, so that the dense operand's slab stays in cache while the rows pass by.
template <class T>
void product(const SpmmInput& in, float* out, int threads) {
  const T* dense = (const T*)in.dense;
  int64_t c = 0;
  for (; c + WIDE * L <= in.channels; c += WIDE * L)
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < in.rows; ++i) row_block<WIDE>(in, dense, i, c, out);
  if (c == in.channels) return;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < in.rows; ++i) {
    int64_t d = c;
    for (; d + 4 * L <= in.channels; d += 4 * L) row_block<4>(in, dense, i, d, out);
    for (; d + L <= in.channels; d += L) row_block<1>(in, dense, i, d, out);
    row_tail(in, dense, i, d, out);
  }
}

}  // namespace

void spmm(const SpmmInput& in, float* out, int threads) {
  if (in.half) product<uint16_t>(in, out, threads);
  else product<float>(in, out, threads);
}

}  // namespace CHORUS_ISA
}  // namespace chorus
