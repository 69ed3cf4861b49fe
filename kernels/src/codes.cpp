// Rows coded along a curve: the codes of a chunk of rows back to their coefficients on each axis.
//
// The codes are those of an orthonormal Haar transform along the rows (A. Haar, Math. Ann. 69 (1910); its fast inverse
// as in S. Mallat, "A wavelet tour of signal processing", section 7.2): level 0 is the mean, level l > 0 holds 2^(l-1)
// differences. A stream holds them run by run, a run being one level of one axis.
#include "memory.h"
#include "ops.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

constexpr int LANES = 16;  // axes that are transformed side by side

// 0, -1, 1, -2, ... from 0, 1, 2, 3, ...: low bytes of all, high bytes of the first `wide`.
void unfold(const CodedRows& c, int16_t* codes) {
  const uint8_t *low = c.data, *high = c.data + c.count;
  for (int64_t i = 0; i < c.wide; ++i) {
    const int folded = low[i] | high[i] << 8;
    codes[i] = (int16_t)((folded >> 1) ^ -(folded & 1));
  }
  for (int64_t i = c.wide; i < c.count; ++i) codes[i] = (int16_t)((low[i] >> 1) ^ -(low[i] & 1));
}

// The runs of LANES axes, scaled, side by side: coefficients[row][lane]. What no run speaks of is 0.
void gather(const CodedRows& c, const int16_t* codes, const int64_t* starts, int64_t first, int lanes,
            float* coefficients) {
  memset(coefficients, 0, sizeof(float) * LANES * (size_t)c.rows);
  for (int level = 0; level < c.levels; ++level) {
    const int64_t begin = level ? (int64_t)1 << (level - 1) : 0, length = begin ? begin : 1;
    const float scale = c.scales[level];
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t start = starts[level * c.axes + first + lane];
      if (start < 0) continue;
      float* to = coefficients + begin * LANES + lane;
      for (int64_t i = 0; i < length; ++i) to[i * LANES] = (float)codes[start + i] * scale;
    }
  }
}

// x [half][LANES] and differences [half][LANES] -> [2 half][LANES], rows `stride` apart.
void join(const float* x, const float* difference, int64_t half, float* out, int64_t stride) {
  for (int64_t i = 0; i < half; ++i)
    for (int v = 0; v < LANES; v += L) {
      const vf a = load(x + i * LANES + v), d = load(difference + i * LANES + v);
      store(out + 2 * i * stride + v, a + d);
      store(out + (2 * i + 1) * stride + v, a - d);
    }
}

void join_some(const float* x, const float* difference, int64_t half, float* out, int64_t stride, int lanes) {
  for (int64_t i = 0; i < half; ++i)
    for (int lane = 0; lane < lanes; ++lane) {
      const float a = x[i * LANES + lane], d = difference[i * LANES + lane];
      out[2 * i * stride + lane] = a + d;
      out[(2 * i + 1) * stride + lane] = a - d;
    }
}

void transform(const CodedRows& c, const int16_t* codes, const int64_t* starts, int64_t first, float* out) {
  const int lanes = c.axes - first < LANES ? (int)(c.axes - first) : LANES;
  const size_t block = LANES * (size_t)c.rows;
  float* coefficients = (float*)thread_scratch(1, 2 * block * sizeof(float));
  gather(c, codes, starts, first, lanes, coefficients);
  float *x = coefficients, *spare = coefficients + block;  // spare: two levels below the last fit side by side
  int64_t half = 1;
  for (; 2 * half < c.rows; half *= 2) {
    float* finer = x == spare ? spare + block / 2 : spare;
    join(x, coefficients + half * LANES, half, finer, LANES);
    x = finer;
  }
  if (lanes == LANES) join(x, coefficients + half * LANES, half, out + first, c.axes);
  else join_some(x, coefficients + half * LANES, half, out + first, c.axes, lanes);
}

}  // namespace

void decode_rows(const CodedRows& c, float* out, int threads) {
  int16_t* codes = (int16_t*)thread_scratch(0, sizeof(int16_t) * (size_t)c.count);
  unfold(c, codes);
  int64_t* starts = (int64_t*)thread_scratch(2, sizeof(int64_t) * (size_t)(c.levels * c.axes));
  for (int64_t i = 0; i < c.levels * c.axes; ++i) starts[i] = -1;
  int64_t start = 0;
  for (int64_t i = 0; i < c.runs; ++i) {
    starts[c.order[i]] = start;
    const int64_t level = c.order[i] / c.axes;
    start += level ? (int64_t)1 << (level - 1) : 1;
  }
  const int64_t blocks = (c.axes + LANES - 1) / LANES;
  Guard guard;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t b = 0; b < blocks; ++b) guard([&] { transform(c, codes, starts, b * LANES, out); });
  guard.rethrow();
}

}  // namespace CHORUS_ISA
}  // namespace chorus
