// Attention inside windows, backward, in tiles of QUERIES queries and as many keys. With P the weights, G the gradient
// of the answers O and s the scores:
//   dV = P^T G,  dS = P (G V^T - rowsum(G O)),  dQ = dS K / sqrt(D),  dK = dS^T Q / sqrt(D)
// Weights are computed again from the sums that forward kept. What is summed over keys has the queries in the lanes;
// for what is summed over queries a tile is turned around.
#include "attention.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

typedef vf Tile[QUERIES][QV];

struct Nothing { inline void operator()(int, int) const {} };

// What a thread works in: keys and values in rows, and their gradients with the keys in the lanes.
struct Work { float *keys, *values; Columns *key_grads, *value_grads; };

size_t work_bytes(int64_t count) { return 4 * (size_t)padded_keys(count) * D * sizeof(float); }

Work work_for(int64_t count) {
  const size_t floats = (size_t)padded_keys(count) * D;
  float* memory = (float*)thread_scratch(0, work_bytes(count));
  return {memory, memory + floats, (Columns*)(memory + 2 * floats), (Columns*)(memory + 3 * floats)};
}

// The queries of a block, with what forward found and the gradient of their answers.
struct Queries {
  Columns q, grad;
  alignas(64) float q_rows[QUERIES][D], grad_rows[QUERIES][D];
  vf logsum[QV], mean[QV];
};

void rows_of(const Columns& columns, float (*rows)[D]) {
  float* to[QUERIES];
  for (int i = 0; i < QUERIES; ++i) to[i] = rows[i];
  to_rows(columns, QUERIES, to);
}

void load_queries(const Head& h, const Block& b, const AttentionGradient& g, Queries& o) {
  const float *q[QUERIES], *grad[QUERIES], *out[QUERIES];
  alignas(64) float logsum[QUERIES], there[QUERIES];
  for (int i = 0; i < QUERIES; ++i) {
    const int64_t at = b.row[i] * h.in.heads + h.head;
    q[i] = h.channels(b.row[i], 0);
    grad[i] = g.grad + at * D;
    out[i] = g.out + at * D;
    logsum[i] = g.logsum[at];
    there[i] = i < b.count ? 1.0f : 0.0f;
  }
  Columns answers;
  to_columns(q, o.q);
  to_columns(grad, o.grad);
  to_columns(out, answers);
  for (int v = 0; v < QV; ++v) {
    vf mean = {};
    for (int d = 0; d < D; ++d) {
      o.q[d][v] = SCORE * bounded(o.q[d][v]);
      o.grad[d][v] *= load(there + v * L);
      mean += o.grad[d][v] * answers[d][v];
    }
    o.mean[v] = mean;
    o.logsum[v] = load(logsum + v * L);
  }
  rows_of(o.q, o.q_rows);
  rows_of(o.grad, o.grad_rows);
}

// tile[key][query] to turned[query][key]
void turn_tile(const Tile& tile, Tile& turned) {
  for (int a = 0; a < QV; ++a)
    for (int b = 0; b < QV; ++b) {
      vf r[L];
      for (int i = 0; i < L; ++i) r[i] = tile[a * L + i][b];
      turn(r);
      for (int i = 0; i < L; ++i) turned[b * L + i][a] = r[i];
    }
}

// A tile's part in the gradients of its queries, keys and values.
void tile_gradients(const float* keys, const float* values, const Queries& o, Columns& q_grad, Columns& key_grad,
                    Columns& value_grad) {
  Tile weights, scores, turned;
  const Exp2 exp2;
  for (int k = 0; k < QUERIES; k += ROWS) {
    products(keys + k * D, o.q, weights + k, Nothing());
    products(values + k * D, o.grad, scores + k, Nothing());
  }
  for (int k = 0; k < QUERIES; ++k)
    for (int v = 0; v < QV; ++v) {
      weights[k][v] = exp2(vmax(set1(LOWEST), weights[k][v] - o.logsum[v]));
      scores[k][v] = weights[k][v] * (scores[k][v] - o.mean[v]);
    }
  accumulate(keys, scores, QUERIES, q_grad);
  turn_tile(weights, turned);
  accumulate(o.grad_rows[0], turned, QUERIES, value_grad);
  turn_tile(scores, turned);
  accumulate(o.q_rows[0], turned, QUERIES, key_grad);
}

void store_queries(const Head& h, const Block& b, Columns& q_grad, float* qkv_grad) {
  float* to[QUERIES];
  for (int i = 0; i < QUERIES; ++i) to[i] = qkv_grad + (b.row[i] * 3 * h.in.heads + h.head) * D;
  for (int d = 0; d < D; ++d)
    for (int v = 0; v < QV; ++v) q_grad[d][v] *= 0.25f;
  to_rows(q_grad, b.count, to);
}

// Gradients of the window's keys and values: to their rows, or beside them where a row is read from another window.
void store_keys(const Head& h, const int64_t* beside, const AttentionGradient& g, const Work& work) {
  const int64_t step = h.in.heads * D;  // from the keys of a row to its values
  for (int64_t first = 0, t = 0; first < h.count; first += QUERIES, ++t) {
    const int count = (int)(h.count - first < QUERIES ? h.count - first : QUERIES);
    float *key[QUERIES], *value[QUERIES];
    for (int i = 0; i < count; ++i) {
      const bool aside = h.unread && h.unread[first + i];
      float* row = aside ? g.extra + beside[first + i] * 2 * step : g.qkv + (h.rows[first + i] * 3 + 1) * step;
      key[i] = row + h.head * D;
      value[i] = key[i] + step;
    }
    for (int d = 0; d < D; ++d)
      for (int v = 0; v < QV; ++v) work.key_grads[t][d][v] *= 0.25f / SCORE;  // the queries were scaled already
    to_rows(work.key_grads[t], count, key);
    to_rows(work.value_grads[t], count, value);
  }
}

}  // namespace

void attention_backward(const AttentionInput& in, const AttentionGradient& g, int threads) {
  const int64_t tasks = in.windows * in.heads;
  Guard guard;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int64_t task = 0; task < tasks; ++task) guard([&] {
    const Head h = head_of(in, task);
    const Work work = work_for(in.size);
    pack(h, work.keys, work.values);
    memset((void*)work.key_grads, 0, 2 * (size_t)padded_keys(in.size) * D * sizeof(float));
    Block b;
    for (int64_t at = 0; next_block(h, at, b);) {
      Queries o;
      load_queries(h, b, g, o);
      Columns q_grad;
      memset((void*)q_grad, 0, sizeof q_grad);
      for (int64_t k = 0, t = 0; k < h.count; k += QUERIES, ++t)
        tile_gradients(work.keys + k * D, work.values + k * D, o, q_grad, work.key_grads[t], work.value_grads[t]);
      store_queries(h, b, q_grad, g.qkv);
    }
    store_keys(h, g.beside + task / in.heads * in.size, g, work);
  });
  guard.rethrow();
}

}  // namespace CHORUS_ISA
}  // namespace chorus
