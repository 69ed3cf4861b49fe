// Attention inside windows, forward: softmax(q k^T / sqrt(D)) v for every window and head, with a running maximum, so
// that no more than KEYS scores of a block of queries ever stand in memory.
#include "attention.h"

namespace chorus {
namespace CHORUS_ISA {

#if defined(__AVX512F__)
#define CHORUS_ENTRY(i, bits) bits - ((uint32_t)i << 18)
const Exp2Table EXP2_TABLE = {{
  CHORUS_ENTRY(0, 0x3F800000u), CHORUS_ENTRY(1, 0x3F82CD87u), CHORUS_ENTRY(2, 0x3F85AAC3u), CHORUS_ENTRY(3, 0x3F88980Fu),
  CHORUS_ENTRY(4, 0x3F8B95C2u), CHORUS_ENTRY(5, 0x3F8EA43Au), CHORUS_ENTRY(6, 0x3F91C3D3u), CHORUS_ENTRY(7, 0x3F94F4F0u),
  CHORUS_ENTRY(8, 0x3F9837F0u), CHORUS_ENTRY(9, 0x3F9B8D3Au), CHORUS_ENTRY(10, 0x3F9EF532u), CHORUS_ENTRY(11, 0x3FA27043u),
  CHORUS_ENTRY(12, 0x3FA5FED7u), CHORUS_ENTRY(13, 0x3FA9A15Bu), CHORUS_ENTRY(14, 0x3FAD583Fu), CHORUS_ENTRY(15, 0x3FB123F6u),
  CHORUS_ENTRY(16, 0x3FB504F3u), CHORUS_ENTRY(17, 0x3FB8FBAFu), CHORUS_ENTRY(18, 0x3FBD08A4u), CHORUS_ENTRY(19, 0x3FC12C4Du),
  CHORUS_ENTRY(20, 0x3FC5672Au), CHORUS_ENTRY(21, 0x3FC9B9BEu), CHORUS_ENTRY(22, 0x3FCE248Cu), CHORUS_ENTRY(23, 0x3FD2A81Eu),
  CHORUS_ENTRY(24, 0x3FD744FDu), CHORUS_ENTRY(25, 0x3FDBFBB8u), CHORUS_ENTRY(26, 0x3FE0CCDFu), CHORUS_ENTRY(27, 0x3FE5B907u),
  CHORUS_ENTRY(28, 0x3FEAC0C7u), CHORUS_ENTRY(29, 0x3FEFE4BAu), CHORUS_ENTRY(30, 0x3FF5257Du), CHORUS_ENTRY(31, 0x3FFA83B3u),
}};
#undef CHORUS_ENTRY
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
  reserve_scratch(0, 2 * bytes, threads);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < tasks; ++task) {
    const Head h = head_of(in, task);
    float* keys = (float*)thread_scratch(0, 2 * bytes);
    float* values = keys + bytes / sizeof(float);
    pack(h, keys, values);
    Block b;
    for (int64_t at = 0; next_block(h, at, b);) answer(h, b, keys, values, out, logsum);
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
