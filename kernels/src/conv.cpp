// Submanifold 3x3x3 convolution: for every offset, the rows that have that neighbor times the offset's matrix. Only
// pairs that exist are multiplied; a band of output rows stays in cache while the 27 offsets pass over it.
#include "memory.h"
#include "ops.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

constexpr int BAND = 256;
#if defined(__AVX512F__)
constexpr int ACCUMULATORS = 24, WIDEST = 4;
#else
constexpr int ACCUMULATORS = 12, WIDEST = 2;
#endif

// The rows of a band that have the neighbor.
struct Pairs { int count; int32_t out[BAND + ACCUMULATORS]; int32_t in[BAND + ACCUMULATORS]; };

void find_pairs(const int32_t* table, int64_t first, int rows, Pairs& p) {
  p.count = 0;
  for (int i = 0; i < rows; ++i) {
    p.out[p.count] = i;
    p.in[p.count] = table[first + i];
    p.count += table[first + i] >= 0;
  }
}

// acc[row] += x[row][0..cin) * w[cin][V * L]
template <int R, int V>
void multiply(const float* const* x, int cin, const float* w, int64_t stride, float* const* acc) {
  vf a[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) a[r][v] = load(acc[r] + v * L);
  for (int c = 0; c < cin; ++c) {
    vf b[V];
    for (int v = 0; v < V; ++v) b[v] = load(w + c * stride + v * L);
    for (int r = 0; r < R; ++r) {
      vf s = set1(x[r][c]);
      for (int v = 0; v < V; ++v) a[r][v] += s * b[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) store(acc[r] + v * L, a[r][v]);
}

template <int V>
void multiply_pairs(const float* feat, int cin, const float* w, int64_t stride, const Pairs& p, float* band,
                    float* spare) {
  constexpr int R = ACCUMULATORS / V < 8 ? ACCUMULATORS / V : 8;  // more row pointers would not fit the registers
  for (int i = 0; i < p.count; i += R) {
    const float* x[R];
    float* acc[R];
    for (int r = 0; r < R; ++r) {
      const bool real = i + r < p.count;
      x[r] = feat + (int64_t)p.in[real ? i + r : p.count - 1] * cin;
      acc[r] = real ? band + p.out[i + r] * stride : spare;  // rows past the end are computed and dropped
    }
    multiply<R, V>(x, cin, w, stride, acc);
  }
}

// columns of the padded output, V vectors at a time
void multiply_offset(const float* feat, int cin, const float* w, int64_t stride, const Pairs& p, float* band,
                     float* spare) {
  int64_t c = 0;
  for (; c + WIDEST * L <= stride; c += WIDEST * L)
    multiply_pairs<WIDEST>(feat, cin, w + c, stride, p, band + c, spare);
#if defined(__AVX512F__)
  if (c + 3 * L <= stride) { multiply_pairs<3>(feat, cin, w + c, stride, p, band + c, spare); c += 3 * L; }
  if (c + 2 * L <= stride) { multiply_pairs<2>(feat, cin, w + c, stride, p, band + c, spare); c += 2 * L; }
#endif
  if (c + L <= stride) multiply_pairs<1>(feat, cin, w + c, stride, p, band + c, spare);
}

// The rows of the pairs, for the passes that meet them several times.
struct PairRows { int count; const float* x[BAND]; const float* g[BAND]; };

void find_rows(const Pairs& p, const float* feat, int cin, const float* grad, int64_t stride, int64_t first,
               PairRows& rows) {
  rows.count = p.count;
  for (int i = 0; i < p.count; ++i) {
    rows.x[i] = feat + (int64_t)p.in[i] * cin;
    rows.g[i] = grad + (first + p.out[i]) * stride;
  }
}

// out[R][V * L] += sum over pairs of x[pair][c .. c + R]^T * g[pair][d .. d + V * L]
template <int R, int V>
void outer(const PairRows& p, int64_t c, int64_t d, int64_t stride, float* out) {
  vf a[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) a[r][v] = load(out + r * stride + v * L);
  for (int i = 0; i < p.count; ++i) {
    const float *x = p.x[i] + c, *g = p.g[i] + d;
    vf b[V];
    for (int v = 0; v < V; ++v) b[v] = load(g + v * L);
    for (int r = 0; r < R; ++r) {
      vf s = set1(x[r]);
      for (int v = 0; v < V; ++v) a[r][v] += s * b[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) store(out + r * stride + v * L, a[r][v]);
}

template <int V>
void outer_columns(const PairRows& p, int cin, int64_t d, int64_t stride, float* out) {
  constexpr int R = ACCUMULATORS / V < 12 ? ACCUMULATORS / V : 12;
  int c = 0;
  for (; c + R <= cin; c += R) outer<R, V>(p, c, d, stride, out + c * stride + d);
  for (; c + 4 <= cin; c += 4) outer<4, V>(p, c, d, stride, out + c * stride + d);
  for (; c < cin; ++c) outer<1, V>(p, c, d, stride, out + c * stride + d);
}

void outer_offset(const PairRows& p, int cin, int64_t stride, float* out) {
  int64_t d = 0;
  for (; d + WIDEST * L <= stride; d += WIDEST * L) outer_columns<WIDEST>(p, cin, d, stride, out);
  for (; d + 2 * L <= stride; d += 2 * L) outer_columns<2>(p, cin, d, stride, out);
  for (; d < stride; d += L) outer_columns<1>(p, cin, d, stride, out);
}

}  // namespace

int64_t padded_channels(int64_t channels) { return (channels + L - 1) / L * L; }

// packed [27][cin][padded cout]; out [n][cout].
void conv_forward(const float* feat, int64_t n, int cin, int cout, const float* packed, const int32_t* table,
                  const float* bias, float* out, int threads) {
  const int64_t stride = padded_channels(cout), bands = (n + BAND - 1) / BAND;
  const size_t bytes = (size_t)(BAND + 1) * stride * sizeof(float);
  Guard guard;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int64_t b = 0; b < bands; ++b) guard([&] {
    const int64_t first = b * BAND;
    const int rows = (int)(n - first < BAND ? n - first : BAND);
    float* band = (float*)thread_scratch(0, bytes);
    memset(band, 0, (size_t)rows * stride * sizeof(float));
    if (bias)
      for (int i = 0; i < rows; ++i) memcpy(band + i * stride, bias, (size_t)cout * sizeof(float));
    Pairs p;
    for (int k = 0; k < 27; ++k) {
      find_pairs(table + k * n, first, rows, p);
      multiply_offset(feat, cin, packed + k * cin * stride, stride, p, band, band + BAND * stride);
    }
    for (int i = 0; i < rows; ++i) memcpy(out + (first + i) * cout, band + i * stride, (size_t)cout * sizeof(float));
  });
  guard.rethrow();
}

// packed_grad [27][cin][padded cout], zero on entry; grad [n][padded cout]. Threads share out the offsets; a band's
// rows stay in cache while its offsets pass by.
void conv_weight_gradient(const float* feat, const float* grad, int64_t n, int cin, int cout, const int32_t* table,
                          float* packed_grad, int threads) {
  const int64_t stride = padded_channels(cout);
  const int slices = threads < 1 ? 1 : threads < 27 ? threads : 27;
#pragma omp parallel for schedule(static, 1) num_threads(slices) if (slices > 1)
  for (int slice = 0; slice < slices; ++slice) {
    Pairs p;
    PairRows rows;
    for (int64_t first = 0; first < n; first += BAND)
      for (int k = slice; k < 27; k += slices) {
        find_pairs(table + k * n, first, (int)(n - first < BAND ? n - first : BAND), p);
        if (!p.count) continue;
        find_rows(p, feat, cin, grad, stride, first, rows);
        outer_offset(rows, cin, stride, packed_grad + k * cin * stride);
      }
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
