// Sparse times dense, and the transpose of sparse times dense, both from the same rows; float32 sums in a fixed order.
//
// Rows are visited by their first column: splats that share patches then follow each other, and what they share (rows
// of the dense operand in spmm, sums in spmm_t) stays in the first-level cache while each splat's own row passes
// through memory once, asked for early. spmm_t turns a block of rows into lists by column, so that a column's sums stay
// in registers over the block.
#include "memory.h"
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
constexpr int AHEAD = 4;          // rows of spmm's result asked for early
constexpr int BLOCK = 32;         // rows that spmm_t turns into lists at a time
constexpr int64_t PANEL = 512;    // columns whose sums are kept near

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

// Rows sorted by the column at their cursor, for rows whose cursor stands before column `end`; the rest are left out.
struct Schedule { uint32_t* rows; int64_t count; };

// cursor[i]: position of row i's next entry. Counting sort, stable; in thread scratch slots 0 and 1.
Schedule schedule(const SpmmInput& in, const int64_t* cursor, int64_t first, int64_t end) {
  uint32_t* order = (uint32_t*)thread_scratch(0, (size_t)(in.rows + 1) * sizeof(uint32_t));
  const size_t bytes = (size_t)(end - first + 1) * sizeof(uint32_t);
  uint32_t* start = (uint32_t*)thread_scratch(1, bytes);
  memset(start, 0, bytes);
  int64_t count = 0;
  for (int64_t i = 0; i < in.rows; ++i) {
    if (cursor[i] == in.indptr[i + 1] || in.indices[cursor[i]] >= end) continue;
    ++start[in.indices[cursor[i]] - first + 1];
    ++count;
  }
  for (int64_t c = 0; c < end - first; ++c) start[c + 1] += start[c];
  for (int64_t i = 0; i < in.rows; ++i)
    if (cursor[i] != in.indptr[i + 1] && in.indices[cursor[i]] < end)
      order[start[in.indices[cursor[i]] - first]++] = (uint32_t)i;
  return {order, count};
}

template <int W, class T>
void gather_row(const SpmmInput& in, int64_t row, int64_t c, float* out) {
  const T* dense = (const T*)in.dense + c;
  vf acc[W] = {};
  for (int64_t k = in.indptr[row]; k < in.indptr[row + 1]; ++k) {
    const T* from = dense + (int64_t)in.indices[k] * in.channels;
    vf value = set1(in.values[k]);
    for (int w = 0; w < W; ++w) acc[w] += value * load_dense(from + w * L);
  }
  for (int w = 0; w < W; ++w) store(out + row * in.channels + c + w * L, acc[w]);
}

template <class T>
void gather_tail(const SpmmInput& in, int64_t row, int64_t c, float* out) {
  for (; c < in.channels; ++c) {
    float acc = 0.0f;
    for (int64_t k = in.indptr[row]; k < in.indptr[row + 1]; ++k)
      acc += in.values[k] * one_dense((const T*)in.dense + (int64_t)in.indices[k] * in.channels + c);
    out[row * in.channels + c] = acc;
  }
}

// A slab of W vectors of channels at a time: what the rows share of it fits the first-level cache.
template <int W, class T>
void gather_slab(const SpmmInput& in, const Schedule& s, int64_t c, float* out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < s.count; ++i) {
    if (i + AHEAD < s.count) {
      const float* next = out + s.rows[i + AHEAD] * in.channels + c;
      for (int w = 0; w < W * L; w += 16) __builtin_prefetch(next + w, 1);
    }
    gather_row<W, T>(in, s.rows[i], c, out);
  }
}

template <class T>
void gather(const SpmmInput& in, const Schedule& s, float* out, int threads) {
  int64_t c = 0;
  for (; c + WIDE * L <= in.channels; c += WIDE * L) gather_slab<WIDE, T>(in, s, c, out, threads);
  for (; c + 4 * L <= in.channels; c += 4 * L) gather_slab<4, T>(in, s, c, out, threads);
  for (; c + L <= in.channels; c += L) gather_slab<1, T>(in, s, c, out, threads);
  if (c == in.channels) return;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < s.count; ++i) gather_tail<T>(in, s.rows[i], c, out);
}

// A block of rows by column: for touched column t, the entries [t ? stop[t - 1] : 0, stop[t]).
struct ColumnLists {
  int touched;
  uint32_t *column, *stop;
  uint32_t* row;
  float* value;
};

// A row's entries in the panel: from its cursor to column `end`.
struct Panel { int64_t first, end; const int64_t* cursor; };

template <class F>
void each_entry(const SpmmInput& in, const Panel& p, const uint32_t* rows, int count, F visit) {
  for (int i = 0; i < count; ++i)
    for (int64_t k = p.cursor[rows[i]]; k < in.indptr[rows[i] + 1] && in.indices[k] < p.end; ++k) visit(rows[i], k);
}

// `at`: one number for each column of the panel, all zero on entry and on return. Memory: thread scratch slots 4 and 5.
ColumnLists lists_of(const SpmmInput& in, const Panel& p, const uint32_t* rows, int count, uint32_t* at) {
  ColumnLists l = {};
  size_t entries = 0;
  each_entry(in, p, rows, count, [&](uint32_t, int64_t) { ++entries; });
  l.column = (uint32_t*)thread_scratch(4, (2 * entries + 1) * sizeof(uint32_t));
  l.stop = l.column + entries;
  l.row = (uint32_t*)thread_scratch(5, (2 * entries + 1) * sizeof(uint32_t));
  l.value = (float*)(l.row + entries);
  each_entry(in, p, rows, count, [&](uint32_t, int64_t k) {
    const uint32_t c = (uint32_t)(in.indices[k] - p.first);
    if (!at[c]++) l.column[l.touched++] = c;
  });
  uint32_t sum = 0;
  for (int t = 0; t < l.touched; ++t) { const uint32_t n = at[l.column[t]]; at[l.column[t]] = sum; sum += n; }
  each_entry(in, p, rows, count, [&](uint32_t row, int64_t k) {
    const uint32_t to = at[in.indices[k] - p.first]++;
    l.row[to] = row;
    l.value[to] = in.values[k];
  });
  for (int t = 0; t < l.touched; ++t) { l.stop[t] = at[l.column[t]]; at[l.column[t]] = 0; }
  return l;
}

template <int W, class T>
void add_lists(const SpmmInput& in, const ColumnLists& l, int64_t c, float* panel) {
  const T* dense = (const T*)in.dense + c;
  uint32_t k = 0;
  for (int t = 0; t < l.touched; ++t) {
    float* to = panel + l.column[t] * in.channels + c;
    vf acc[W];
    for (int w = 0; w < W; ++w) acc[w] = load(to + w * L);
    for (; k < l.stop[t]; ++k) {
      const T* from = dense + (int64_t)l.row[k] * in.channels;
      const vf value = set1(l.value[k]);
      for (int w = 0; w < W; ++w) acc[w] += value * load_dense(from + w * L);
    }
    for (int w = 0; w < W; ++w) store(to + w * L, acc[w]);
  }
}

template <class T>
void add_lists_tail(const SpmmInput& in, const ColumnLists& l, int64_t c, int64_t end, float* panel) {
  uint32_t k = 0;
  for (int t = 0; t < l.touched; ++t)
    for (; k < l.stop[t]; ++k)
      for (int64_t d = c; d < end; ++d)
        panel[l.column[t] * in.channels + d] +=
            l.value[k] * one_dense((const T*)in.dense + (int64_t)l.row[k] * in.channels + d);
}

// One panel for channels [c0, c1).
template <class T>
void scatter_channels(const SpmmInput& in, const Schedule& s, const Panel& p, int64_t c0, int64_t c1, float* out) {
  float* panel = out + p.first * in.channels;
  const size_t bytes = (size_t)(p.end - p.first) * sizeof(uint32_t);
  uint32_t* at = (uint32_t*)thread_scratch(3, bytes);
  memset(at, 0, bytes);
  for (int64_t i = 0; i < s.count; i += BLOCK) {
    const int count = (int)(s.count - i < BLOCK ? s.count - i : BLOCK);
    const ColumnLists l = lists_of(in, p, s.rows + i, count, at);
    int64_t c = c0;
    for (; c + WIDE * L <= c1; c += WIDE * L) {
      for (int64_t n = i + BLOCK; n < i + 2 * BLOCK && n < s.count; ++n) {
        const char* next = (const char*)((const T*)in.dense + s.rows[n] * in.channels + c);
        for (int b = 0; b < WIDE * L * (int)sizeof(T); b += 64) __builtin_prefetch(next + b, 0, 2);
      }
      add_lists<WIDE, T>(in, l, c, panel);
    }
    for (; c + 4 * L <= c1; c += 4 * L) add_lists<4, T>(in, l, c, panel);
    for (; c + L <= c1; c += L) add_lists<1, T>(in, l, c, panel);
    if (c < c1) add_lists_tail<T>(in, l, c, c1, panel);
  }
}

// Threads share out channels: every sum has one owner, and its order is the schedule's.
template <class T>
void scatter(const SpmmInput& in, const Schedule& s, const Panel& p, float* out, int threads) {
  const int64_t slices = threads > 1 ? threads : 1, step = ((in.channels + slices - 1) / slices + L - 1) / L * L;
  Guard guard;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int64_t k = 0; k < slices; ++k) guard([&] {
    const int64_t c0 = k * step, c1 = c0 + step < in.channels ? c0 + step : in.channels;
    if (c0 < c1) scatter_channels<T>(in, s, p, c0, c1, out);
  });
  guard.rethrow();
}

bool columns_ascend(const SpmmInput& in) {
  for (int64_t i = 0; i < in.rows; ++i)
    for (int64_t k = in.indptr[i] + 1; k < in.indptr[i + 1]; ++k)
      if (in.indices[k] <= in.indices[k - 1]) return false;
  return true;
}

}  // namespace

void spmm(const SpmmInput& in, float* out, int threads) {
  for (int64_t i = 0; i < in.rows; ++i)
    if (in.indptr[i] == in.indptr[i + 1]) memset(out + i * in.channels, 0, (size_t)in.channels * sizeof(float));
  const Schedule s = schedule(in, in.indptr, 0, in.columns);
  if (in.half) gather<uint16_t>(in, s, out, threads);
  else gather<float>(in, s, out, threads);
}

// Columns in panels, so that the sums of a panel stay in cache; a row's entries of one panel follow each other.
void spmm_t(const SpmmInput& in, float* out, int threads) {
  memset(out, 0, (size_t)in.columns * in.channels * sizeof(float));
  int64_t* cursor = (int64_t*)thread_scratch(2, (size_t)(in.rows + 1) * sizeof(int64_t));
  memcpy(cursor, in.indptr, (size_t)in.rows * sizeof(int64_t));
  const int64_t panel = columns_ascend(in) ? PANEL : in.columns;
  for (int64_t first = 0; first < in.columns; first += panel) {
    const int64_t end = first + panel < in.columns ? first + panel : in.columns;
    const Schedule s = schedule(in, cursor, first, end);
    if (in.half) scatter<uint16_t>(in, s, {first, end, cursor}, out, threads);
    else scatter<float>(in, s, {first, end, cursor}, out, threads);
    for (int64_t i = 0; i < s.count; ++i) {
      int64_t& k = cursor[s.rows[i]];
      while (k < in.indptr[s.rows[i] + 1] && in.indices[k] < end) ++k;
    }
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
