// Structural similarity with a Gaussian window and zero padding (the convention of 3D Gaussian splatting), and its
// gradient:
//   S = (2 ma mb + C1)(2 sab + C2) / ((ma^2 + mb^2 + C1)(saa + sbb + C2)),   mx = G x, sxy = G(xy) - mx my
// Rows are filtered vertically straight from the images and then horizontally in a padded buffer, so nothing but the
// three partial derivatives that backward needs is ever written out in full.
#include "memory.h"
#include "ops.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

constexpr float C1 = 0.01f * 0.01f, C2 = 0.03f * 0.03f;

// out[i] = sum_t kernel[t] padded[i + t * channels]
void filter_row(const float* padded, const SsimShape& s, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 4 * L) {
    vf acc[4] = {};
    for (int t = 0; t < s.window; ++t)
      for (int j = 0; j < 4; ++j) acc[j] += s.kernel[t] * load(padded + i + j * L + t * s.channels);
    for (int j = 0; j < 4; ++j) store(out + i + j * L, acc[j]);
  }
}

struct Rows {              // scratch: `count` padded rows and `count` filtered ones
  int64_t n, stride;       // values in a row; with padding and room for whole vectors
  int64_t lead;            // zeros before the row's first value
  float* base;
  float* padded(int k) const { return base + k * stride; }
  float* filtered(int count, int k) const { return base + (count + k) * stride; }
};

Rows make_rows(const SsimShape& s, int count) {
  Rows r;
  r.n = s.width * s.channels;
  r.lead = s.window / 2 * s.channels;
  r.stride = r.n + 2 * r.lead + 4 * L + 16;
  const size_t bytes = (size_t)(2 * count) * r.stride * sizeof(float);
  r.base = (float*)thread_scratch(0, bytes);
  memset(r.base, 0, bytes);
  return r;
}

// Vertical filter of a, b, aa, bb, ab at row y, into the padded rows.
void vertical(const float* a, const float* b, const SsimShape& s, int64_t y, const Rows& r) {
  const int half = s.window / 2;
  const int64_t first = y - half < 0 ? 0 : y - half, last = y + half >= s.height ? s.height - 1 : y + half;
  float* out[5];
  for (int k = 0; k < 5; ++k) out[k] = r.padded(k) + r.lead;
  int64_t i = 0;
  for (; i + L <= r.n; i += L) {
    vf acc[5] = {};
    for (int64_t q = first; q <= last; ++q) {
      vf va = load(a + q * r.n + i), vb = load(b + q * r.n + i);
      vf ka = s.kernel[q - y + half] * va, kb = s.kernel[q - y + half] * vb;
      acc[0] += ka; acc[1] += kb; acc[2] += ka * va; acc[3] += kb * vb; acc[4] += ka * vb;
    }
    for (int k = 0; k < 5; ++k) store(out[k] + i, acc[k]);
  }
  for (; i < r.n; ++i) {
    float acc[5] = {};
    for (int64_t q = first; q <= last; ++q) {
      const float va = a[q * r.n + i], vb = b[q * r.n + i], w = s.kernel[q - y + half];
      acc[0] += w * va; acc[1] += w * vb; acc[2] += w * va * va; acc[3] += w * vb * vb; acc[4] += w * va * vb;
    }
    for (int k = 0; k < 5; ++k) out[k][i] = acc[k];
  }
}

// Sum of S over a row; with partials [3][row]: dS / d(G a), d(G aa), d(G ab).
double similarity_row(const Rows& r, float* const* partials) {
  double sum = 0.0;
  const float *ma = r.filtered(5, 0), *mb = r.filtered(5, 1);
  const float *aa = r.filtered(5, 2), *bb = r.filtered(5, 3), *ab = r.filtered(5, 4);
  float row[L];
  for (int64_t i = 0; i < r.n; i += L) {
    vf x = load(ma + i), y = load(mb + i);
    vf p = 2.0f * x * y + C1, q = 2.0f * (load(ab + i) - x * y) + C2;
    vf u = x * x + y * y + C1, v = (load(aa + i) - x * x) + (load(bb + i) - y * y) + C2;
    vf inv = 1.0f / (u * v), value = p * q * inv;
    store(row, value);
    const int64_t n = r.n - i < L ? r.n - i : L;
    for (int64_t j = 0; j < n; ++j) sum += row[j];
    if (!partials[0]) continue;
    vf d_ab = 2.0f * p * inv, d_aa = -value / v;
    vf d_x = 2.0f * (y * (q - p) * inv - x * value / u + x * value / v);
    const vf d[3] = {d_x, d_aa, d_ab};
    for (int k = 0; k < 3; ++k) {
      if (n == L) { store(partials[k] + i, d[k]); continue; }
      store(row, d[k]);
      memcpy(partials[k] + i, row, (size_t)n * 4);
    }
  }
  return sum;
}

}  // namespace

// partials: [3][batch, height, width, channels] or null. Returns the sum of S.
double ssim_forward(const float* a, const float* b, const SsimShape& s, float* partials, double* row_sums,
                    int threads) {
  const int64_t rows = s.batch * s.height, n = s.width * s.channels, all = rows * n;
  Guard guard;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    Rows r;
    guard([&] { r = make_rows(s, 5); });
#pragma omp for schedule(static)
    for (int64_t k = 0; k < rows; ++k) guard([&] {
      const int64_t image = k / s.height * s.height * n;
      vertical(a + image, b + image, s, k % s.height, r);
      for (int j = 0; j < 5; ++j) filter_row(r.padded(j), s, n, r.filtered(5, j));
      float* to[3] = {};
      if (partials)
        for (int j = 0; j < 3; ++j) to[j] = partials + j * all + k * n;
      row_sums[k] = similarity_row(r, to);
    });
  }
  guard.rethrow();
  double sum = 0.0;
  for (int64_t k = 0; k < rows; ++k) sum += row_sums[k];
  return sum;
}

// grad = scale (G p0 + 2 a G p1 + b G p2): the window is symmetric and the padding zero, so G is its own transpose.
void ssim_backward(const float* a, const float* b, const SsimShape& s, const float* partials, float scale, float* grad,
                   int threads) {
  const int64_t rows = s.batch * s.height, n = s.width * s.channels, all = rows * n;
  const int half = s.window / 2;
  Guard guard;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    Rows r;
    guard([&] { r = make_rows(s, 3); });
#pragma omp for schedule(static)
    for (int64_t k = 0; k < rows; ++k) guard([&] {
      const int64_t y = k % s.height;
      const int64_t first = y - half < 0 ? 0 : y - half, last = y + half >= s.height ? s.height - 1 : y + half;
      for (int j = 0; j < 3; ++j) {
        float* out = r.padded(j) + r.lead;
        memset(out, 0, (size_t)n * 4);
        for (int64_t q = first; q <= last; ++q) {
          const float w = s.kernel[q - y + half], *from = partials + j * all + (k - y + q) * n;
          for (int64_t i = 0; i < n; ++i) out[i] += w * from[i];
        }
        filter_row(r.padded(j), s, n, r.filtered(3, j));
      }
      const float *p0 = r.filtered(3, 0), *p1 = r.filtered(3, 1), *p2 = r.filtered(3, 2);
      const float *va = a + k * n, *vb = b + k * n;
      for (int64_t i = 0; i < n; ++i) grad[k * n + i] = scale * (p0[i] + 2.0f * va[i] * p1[i] + vb[i] * p2[i]);
    });
  }
  guard.rethrow();
}

}  // namespace CHORUS_ISA
}  // namespace chorus
