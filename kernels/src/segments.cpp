// Reductions of consecutive rows, and their gradients. A segment is one thread's work, rows in order.
#include "ops.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

// argmax: the first row, absolute, that holds the maximum. Every segment has at least one row.
void segment_max(const float* x, const Segments& s, float* out, int64_t* argmax, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < s.count; ++i) {
    float* best = out + i * s.channels;
    int64_t* where = argmax + i * s.channels;
    memcpy(best, x + s.indptr[i] * s.channels, (size_t)s.channels * 4);
    for (int64_t c = 0; c < s.channels; ++c) where[c] = s.indptr[i];
    for (int64_t r = s.indptr[i] + 1; r < s.indptr[i + 1]; ++r) {
      const float* row = x + r * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) {
        const bool more = row[c] > best[c];
        best[c] = more ? row[c] : best[c];
        where[c] = more ? r : where[c];
      }
    }
  }
}

void segment_sum(const float* x, const Segments& s, bool mean, float* out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < s.count; ++i) {
    float* acc = out + i * s.channels;
    memset(acc, 0, (size_t)s.channels * 4);
    for (int64_t r = s.indptr[i]; r < s.indptr[i + 1]; ++r) {
      const float* row = x + r * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) acc[c] += row[c];
    }
    const int64_t rows = s.indptr[i + 1] - s.indptr[i];
    if (!mean || rows < 2) continue;
    const float scale = 1.0f / (float)rows;
    for (int64_t c = 0; c < s.channels; ++c) acc[c] *= scale;
  }
}

// The gradient of segment_sum: every row gets its segment's.
void segment_spread(const float* grad, const Segments& s, bool mean, float* out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < s.count; ++i) {
    const float* from = grad + i * s.channels;
    const int64_t rows = s.indptr[i + 1] - s.indptr[i];
    const float scale = mean && rows > 1 ? 1.0f / (float)rows : 1.0f;
    for (int64_t r = s.indptr[i]; r < s.indptr[i + 1]; ++r)
      for (int64_t c = 0; c < s.channels; ++c) out[r * s.channels + c] = from[c] * scale;
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
