// What attention's forward and backward share: packed windows, scores, and the exponential.
//
// Queries lie in the lanes: a score is a vector of queries against one key, whose channels are read one by one and
// broadcast. Sums over keys are then plain additions, and rows whose window is not a multiple of anything cost nothing.
#pragma once
#include "memory.h"
#include "ops.h"
#include "turn.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

constexpr int AHEAD = 16;          // rows are asked for so many rows before they are read
constexpr int D = 16;              // channels of a head
constexpr int KEYS = 64;           // keys whose scores stand in memory at once
#if defined(__AVX512F__)
constexpr int ROWS = 8, GROUP = 8;    // keys (or channels) whose sums stand in registers; keys that are scored at once
#else
constexpr int ROWS = 4, GROUP = 2 * L;
#endif
constexpr int QV = 2;              // vectors of queries
constexpr int QUERIES = QV * L;
constexpr float LIMIT = 1e18f;     // larger channels count as this: no score of finite numbers overflows
constexpr float LOWEST = -120.0f;  // of log2 of a weight against its row's largest: nothing is denormal
constexpr float SCORE = 1.44269504f / 4.0f;  // log2(e) / sqrt(D)

typedef vf Columns[D][QV];   // channels of the queries of a block

static inline vf bounded(vf a) { return vmin(set1(LIMIT), vmax(set1(-LIMIT), a)); }  // NaN stays NaN

#if defined(__AVX512F__)
// 2^(i / 32) less i << 18 in its bits, the part of the exponent's shift that the index itself would add.
struct Exp2Table { alignas(64) uint32_t bits[32]; };
extern const Exp2Table EXP2_TABLE;
// 2^x for LOWEST <= x <= 0 to 1e-7: the 32nd parts from a table in two registers, the rest by two terms.
struct Exp2 {
  const __m512i low = _mm512_load_si512(EXP2_TABLE.bits), high = _mm512_load_si512(EXP2_TABLE.bits + 16);
  inline vf operator()(vf x) const {
    const vf shift = set1(393216.0f);  // 1.5 * 2^18: the sum's last bit is 1/32
    const vf t = x + shift, f = x - (t - shift);
    const __m512i entry = _mm512_permutex2var_epi32(low, (__m512i)t, high);
    const vf whole = (vf)_mm512_add_epi32(entry, _mm512_slli_epi32((__m512i)t, 18));
    return whole + (whole * f) * (0.24022846f * f + 0.69315729f);
  }
};
#else
struct Exp2 {
  inline vf operator()(vf x) const {
    const vf shift = set1(12582912.0f);  // 1.5 * 2^23: the sum's last bit is 1
    const vf t = x + shift, f = x - (t - shift);
    vf y = EXP2[0] * f + EXP2[1];
    for (int i = 2; i < 6; ++i) y = y * f + EXP2[i];
    return (vf)((vi)y + ((vi)t << 23));
  }
};
#endif

// One head of one window: which rows it holds, and where their channels are.
struct Head {
  const AttentionInput& in;
  const int64_t* rows;      // of the window
  const uint8_t* unread;    // or null
  int64_t count, head;      // rows that are there
  const float* channels(int64_t row, int which) const { return in.qkv + ((row * 3 + which) * in.heads + head) * D; }
};

static inline Head head_of(const AttentionInput& in, int64_t task) {
  const int64_t w = task / in.heads;
  return {in, in.rows + w * in.size, in.unread ? in.unread + w * in.size : nullptr,
          in.keys ? in.keys[w] : in.size, task % in.heads};
}

static inline int64_t padded_keys(int64_t count) { return (count + QUERIES - 1) / QUERIES * QUERIES; }

// keys and values [padded count][D], zeros after the last.
static inline void pack(const Head& h, float* keys, float* values) {
  for (int64_t i = 0; i < h.count; ++i) {
    const float *k = h.channels(h.rows[i], 1), *v = h.channels(h.rows[i], 2);
    const int64_t next = h.rows[i + AHEAD < h.count ? i + AHEAD : h.count - 1];
    __builtin_prefetch(h.channels(next, 1));
    __builtin_prefetch(h.channels(next, 2));
    for (int d = 0; d < D; d += L) {
      store(keys + i * D + d, bounded(load(k + d)));
      store(values + i * D + d, load(v + d));
    }
  }
  const size_t rest = (size_t)(padded_keys(h.count) - h.count) * D * sizeof(float);
  memset(keys + h.count * D, 0, rest);
  memset(values + h.count * D, 0, rest);
}

// The next queries of a window that are read, at most as many as fit in a block.
struct Block { int count; int64_t row[QUERIES]; };

static inline bool next_block(const Head& h, int64_t& at, Block& b) {
  for (b.count = 0; at < h.count && b.count < QUERIES; ++at)
    if (!h.unread || !h.unread[at]) b.row[b.count++] = h.rows[at];
  for (int i = b.count; i < QUERIES && b.count; ++i) b.row[i] = b.row[0];  // computed and dropped
  return b.count > 0;
}

// Columns of rows [stride] of the block, and back.
static inline void to_columns(const float* const* rows, Columns& columns) {
  for (int v = 0; v < QV; ++v)
    for (int d = 0; d < D; d += L) {
      vf r[L];
      for (int i = 0; i < L; ++i) r[i] = load(rows[v * L + i] + d);
      turn(r);
      for (int i = 0; i < L; ++i) columns[d + i][v] = r[i];
    }
}
static inline void to_rows(const Columns& columns, int count, float* const* rows) {
  for (int v = 0; v < QV; ++v)
    for (int d = 0; d < D; d += L) {
      vf r[L];
      for (int i = 0; i < L; ++i) r[i] = columns[d + i][v];
      turn(r);
      for (int i = 0; i < L && v * L + i < count; ++i) store(rows[v * L + i] + d, r[i]);
    }
}

// out[k] = columns . rows[k] for ROWS rows; after(d) is done between one channel and the next.
template <class After>
static inline void products(const float* rows, const Columns& columns, vf (*out)[QV], After after) {
  vf acc[ROWS][QV] = {};
#pragma GCC unroll 1
  for (int d = 0; d < D; d += QV)
    for (int j = 0; j < QV; ++j) {
      vf column[QV];
      for (int v = 0; v < QV; ++v) column[v] = columns[d + j][v];
      for (int k = 0; k < ROWS; ++k)
        for (int v = 0; v < QV; ++v) acc[k][v] += rows[k * D + d + j] * column[v];
      after(d / QV, j);
    }
  for (int k = 0; k < ROWS; ++k)
    for (int v = 0; v < QV; ++v) out[k][v] = acc[k][v];
}

// columns += sum over keys of weights[key] * rows[key]
static inline void accumulate(const float* rows, const vf (*weights)[QV], int keys, Columns& columns) {
  for (int c = 0; c < D; c += ROWS) {
    vf acc[ROWS][QV];
    for (int i = 0; i < ROWS; ++i)
      for (int v = 0; v < QV; ++v) acc[i][v] = vf{};
    for (int k = 0; k < keys; ++k) {
      vf w[QV];
      for (int v = 0; v < QV; ++v) w[v] = weights[k][v];
      for (int i = 0; i < ROWS; ++i)
        for (int v = 0; v < QV; ++v) acc[i][v] += rows[k * D + c + i] * w[v];
    }
    for (int i = 0; i < ROWS; ++i)
      for (int v = 0; v < QV; ++v) columns[c + i][v] += acc[i][v];
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
