// Attention inside windows, forward: softmax(q k^T / sqrt(D)) v for every window and head, with a running maximum, so
// that no more than KEYS scores of a block of queries ever stand in memory.
#include "attention.h"

namespace chorus {
namespace CHORUS_ISA {

#if defined(__AVX512F__)
const Exp2Table EXP2_TABLE = {{
    0x3F800000u, 0x3F7ECD87u, 0x3F7DAAC3u, 0x3F7C980Fu, 0x3F7B95C2u, 0x3F7AA43Au, 0x3F79C3D3u, 0x3F78F4F0u,
    0x3F7837F0u, 0x3F778D3Au, 0x3F76F532u, 0x3F767043u, 0x3F75FED7u, 0x3F75A15Bu, 0x3F75583Fu, 0x3F7523F6u,
    0x3F7504F3u, 0x3F74FBAFu, 0x3F7508A4u, 0x3F752C4Du, 0x3F75672Au, 0x3F75B9BEu, 0x3F76248Cu, 0x3F76A81Eu,
    0x3F7744FDu, 0x3F77FBB8u, 0x3F78CCDFu, 0x3F79B907u, 0x3F7AC0C7u, 0x3F7BE4BAu, 0x3F7D257Du, 0x3F7E83B3u}};
#endif

namespace {

constexpr bool ABREAST = GROUP == ROWS;
constexpr float INFINITE = 3e38f;
constexpr float SLACK = 16.0f;  // a weight may exceed the one that counts as 2^0 by so many powers of two

// A block's softmax so far: which log2 weight counts as 0, the sum of weights, the sum of weighted values; and the
// weights whose values are yet to be added.
struct Running {
  vf top[QV], sum[QV];
  Columns values;
  vf group[GROUP][QV];       // log2 weights, not yet raised to a power
  vf weights[KEYS][QV];
  int filled;                // rows of weights
};

inline vf weigh(const Exp2& exp2, vf x, vf top) { return exp2(vmax(set1(LOWEST), x - top)); }

// The group becomes weights.
void weigh_group(Running& s) {
  const Exp2 exp2;
  vf sum[QV] = {};
  for (int k = 0; k < GROUP; ++k)
    for (int v = 0; v < QV; ++v) {
      const vf w = weigh(exp2, s.group[k][v], s.top[v]);
      s.weights[s.filled + k][v] = w;
      sum[v] += w;
    }
  for (int v = 0; v < QV; ++v) s.sum[v] += sum[v];
  s.filled += GROUP;
}

// Scores of the next GROUP keys; meanwhile, where there are registers enough, the group before becomes weights: the two
// use different units of the processor.
template <bool WEIGH>
void step(const float* keys, const Columns& q, Running& s) {
  static_assert(!WEIGH || (GROUP == ROWS && GROUP * QV == D), "a vector of the group before for every channel");
  const Exp2 exp2;
  vf (*weights)[QV] = s.weights + s.filled, sum[QV] = {}, top[QV];
  for (int v = 0; v < QV; ++v) top[v] = s.top[v];
  for (int k = 0; k < GROUP; k += ROWS)
    products(keys + k * D, q, s.group + k, [&](int row, int v) {
      if (!WEIGH) return;
      const vf w = weigh(exp2, s.group[row][v], top[v]);
      weights[row][v] = w;
      sum[v] += w;
    });
  if (!WEIGH) return;
  for (int v = 0; v < QV; ++v) s.sum[v] += sum[v];
  s.filled += GROUP;
}

// Lets the largest of the group count as 0 in the lanes where it is out of range.
void move_top(Running& s, const vf* largest, float least) {
  const Exp2 exp2;
  for (int v = 0; v < QV; ++v) {
    const vf by = largest[v] - s.top[v], one = set1(1.0f);
    const vf fine = keep(both(ge(by, set1(least)), ge(set1(SLACK), by)), one);
    const vf fade = select(ge(fine, one), one, exp2(vmax(set1(LOWEST), vmin(vf{}, -by))));
    s.top[v] = select(ge(fine, one), s.top[v], largest[v]);
    s.sum[v] *= fade;
    for (int d = 0; d < D; ++d) s.values[d][v] *= fade;
    for (int k = 0; k < s.filled; ++k) s.weights[k][v] *= fade;
  }
}

// Keeps weights within range: no group's largest is above SLACK, and the first one's not below -SLACK either.
inline void watch(Running& s, bool first) {
  vf largest[QV];
  const float least = first ? -SLACK : -INFINITE;
  uint32_t fine = FULL;
  for (int v = 0; v < QV; ++v) {
    largest[v] = s.group[0][v];
    for (int k = 1; k < GROUP; ++k) largest[v] = vmax(largest[v], s.group[k][v]);
    const vf by = largest[v] - s.top[v];
    fine &= bits(both(ge(by, set1(least)), ge(set1(SLACK), by)));
  }
  if (fine != FULL) move_top(s, largest, least);
}

void attend(const float* keys, const float* values, int64_t count, const Columns& q, Running& s) {
  int64_t added = 0;
  for (int64_t k = 0;; k += GROUP) {
    const bool abreast = ABREAST && k > 0 && k < count;
    if (k > 0 && !abreast) weigh_group(s);
    if (abreast) step<ABREAST>(keys + k * D, q, s);
    else if (k < count) step<false>(keys + k * D, q, s);
    if (s.filled == KEYS || k >= count) {
      accumulate(values + added * D, s.weights, s.filled, s.values);
      added += s.filled;
      s.filled = 0;
    }
    if (k >= count) return;
    for (int64_t i = count - k; i < GROUP; ++i)
      for (int v = 0; v < QV; ++v) s.group[i][v] = set1(-INFINITE);  // no key is there
    watch(s, k == 0);
  }
}

void answer(const Head& h, const Block& b, const float* keys, const float* values, float* out, float* logsum) {
  const float* from[QUERIES];
  float* to[QUERIES];
  for (int i = 0; i < QUERIES; ++i) {
    from[i] = h.channels(b.row[i], 0);
    to[i] = out + (b.row[i] * h.in.heads + h.head) * D;
  }
  Columns q;
  to_columns(from, q);
  for (int d = 0; d < D; ++d)
    for (int v = 0; v < QV; ++v) q[d][v] = SCORE * bounded(q[d][v]);
  Running s;
  s.filled = 0;
  for (int v = 0; v < QV; ++v) s.top[v] = s.sum[v] = vf{};
  for (int d = 0; d < D; ++d)
    for (int v = 0; v < QV; ++v) s.values[d][v] = vf{};
  attend(keys, values, h.count, q, s);
  for (int v = 0; v < QV; ++v) {
    const vf share = 1.0f / s.sum[v];
    for (int d = 0; d < D; ++d) s.values[d][v] *= share;
    if (!logsum) continue;
    const vf total = s.top[v] + vlog2(s.sum[v]);
    for (int i = 0; i < L && v * L + i < b.count; ++i) logsum[b.row[v * L + i] * h.in.heads + h.head] = total[i];
  }
  to_rows(s.values, b.count, to);
}

}  // namespace

// out [M][heads][D]; logsum [M][heads], log2 of the sum of each row's exponentials, for the gradient, or null.
void attention(const AttentionInput& in, float* out, float* logsum, int threads) {
  const int64_t tasks = in.windows * in.heads;
  const size_t bytes = (size_t)padded_keys(in.size) * D * sizeof(float);
  Guard guard;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < tasks; ++task) guard([&] {
    const Head h = head_of(in, task);
    float* keys = (float*)thread_scratch(0, 2 * bytes);
    float* values = keys + bytes / sizeof(float);
    pack(h, keys, values);
    Block b;
    for (int64_t at = 0; next_block(h, at, b);) answer(h, b, keys, values, out, logsum);
  });
  guard.rethrow();
}

}  // namespace CHORUS_ISA
}  // namespace chorus
