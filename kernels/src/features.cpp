// Blending of any number of channels: per block of 16 pixels the weights are traced once, and the channels are a small
// matrix product.
#include "blend_backward.h"
#include "ops.h"
#include "tile_extent.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

#if defined(__AVX512F__)
constexpr int ROWS = 8, WIDE = 3;   // 24 accumulators of the 32 registers
#else
constexpr int ROWS = 4, WIDE = 2;
#endif

vf load_part(const float* p, int n) { float v[L] = {}; memcpy(v, p, (size_t)n * 4); return load(v); }
void store_part(float* p, int n, vf x) { float v[L]; store(v, x); memcpy(p, v, (size_t)n * 4); }

// The left factor of a product, element (row r, inner index k) at data[r * row + k * inner].
struct Left { const float* data; int64_t row, inner; };

// out[r][c] (+)= sum_k left(r, k) * right[k][c] for r < R, V vectors of channels from `c`.
// n > 0: only n channels (V = 1).
template <int R, int V, bool ADD>
void product(const Left& left, const float* const* right, int64_t count, int64_t c, float* const* out, int n) {
  vf acc[R][V] = {};
  for (int64_t k = 0; k < count; ++k) {
    const float* row = right[k] + c;
    vf x[V];
    for (int v = 0; v < V; ++v) x[v] = n ? load_part(row, n) : load(row + v * L);
    for (int r = 0; r < R; ++r) {
      vf w = set1(left.data[r * left.row + k * left.inner]);
      for (int v = 0; v < V; ++v) acc[r][v] += w * x[v];
    }
  }
  for (int r = 0; r < R; ++r) {
    if (!out[r]) continue;
    for (int v = 0; v < V; ++v) {
      float* to = out[r] + c + v * L;
      if (n) store_part(to, n, ADD ? load_part(to, n) + acc[r][v] : acc[r][v]);
      else store(to, ADD ? load(to) + acc[r][v] : acc[r][v]);
    }
  }
}

// The same over channels [c0, c1).
template <int R, bool ADD>
void product_channels(const Left& left, const float* const* right, int64_t count, int64_t c0, int64_t c1,
                      float* const* out) {
  int64_t c = c0;
  for (; c + WIDE * L <= c1 && c + (WIDE + 1) * L != c1; c += WIDE * L)
    product<R, WIDE, ADD>(left, right, count, c, out, 0);
  for (; c + 2 * L <= c1; c += 2 * L) product<R, 2, ADD>(left, right, count, c, out, 0);
  for (; c + L <= c1; c += L) product<R, 1, ADD>(left, right, count, c, out, 0);
  if (c < c1) product<R, 1, ADD>(left, right, count, c, out, (int)(c1 - c));
}

struct BlockWork {
  BlockPixels px;
  const Splat* splats;     // of the tile
  Trace trace;
  int count;
  Px last;
  const float** rows;      // colors of the kept splats
  const Splat& splat(int i) const { return splats[trace.splat[i]]; }
};

int64_t pixel_index(const Frame& f, int tile, int block, int k) {
  const int x = tile % f.tiles_x * TILE + block % 4 * 4 + k % 4, y = tile / f.tiles_x * TILE + block / 4 * 4 + k / 4;
  return x < f.camera.width && y < f.camera.height ? (int64_t)y * f.camera.width + x : -1;
}

bool trace_into(const Frame& f, const Scene& s, const TileWork& work, int tile, int block, BlockWork& w) {
  w.px = block_pixels(f, tile, block);
  if (!w.px.inside) return false;
  w.splats = work.splats;
  w.trace = trace_scratch(work.count[block]);
  w.count = trace_block(work, block, w.px, w.trace, &w.last);
  w.rows = (const float**)thread_scratch(4, ((size_t)w.count + ROWS) * sizeof(float*));
  for (int i = 0; i < w.count; ++i) w.rows[i] = s.colors + (int64_t)w.splat(i).id * s.channels;
  return true;
}

void forward_block(const Frame& f, const Scene& s, const BlendOutput& out, int tile, int block, BlockWork& w) {
  float* weights = w.trace.alpha;
  vf depth[NV] = {};
  for (int i = 0; i < w.count; ++i)
    for (int v = 0; v < NV; ++v) {
      const int64_t at = 16 * (int64_t)i + v * L;
      vf weight = load(weights + at) * load(w.trace.before + at);
      store(weights + at, weight);
      depth[v] += weight * w.splat(i).z;
    }
  float depths[16], last[16];
  for (int v = 0; v < NV; ++v) { store(depths + v * L, depth[v]); store(last + v * L, w.last.v[v]); }
  float* to[16];
  for (int k = 0; k < 16; ++k) {
    const int64_t p = pixel_index(f, tile, block, k);
    to[k] = p < 0 ? nullptr : out.colors + p * s.channels;
    if (p < 0) continue;
    out.depths[p] = depths[k];
    out.alphas[p] = 1.0f - last[k];
  }
  for (int k = 0; k < 16; k += ROWS)
    product_channels<ROWS, false>({weights + k, 1, 16}, w.rows, w.count, 0, s.channels, to + k);
  if (!out.background) return;
  for (int k = 0; k < 16; ++k)
    if (to[k])
      for (int c = 0; c < s.channels; ++c) to[k][c] += last[k] * out.background[c];
}

// Loss gradient of a block's pixels: rows [16][C] (zero outside the image), and transposed [C][16].
struct GradientBlock { float* rows; float* columns; };

GradientBlock stage_gradient(const Frame& f, const BlendGradient& grad, int C, int tile, int block) {
  float* rows = (float*)thread_scratch(5, (size_t)2 * 16 * C * sizeof(float));
  float* columns = rows + 16 * (int64_t)C;
  for (int k = 0; k < 16; ++k) {
    const int64_t p = pixel_index(f, tile, block, k);
    if (p < 0 || !grad.colors) memset(rows + (int64_t)k * C, 0, (size_t)C * 4);
    else memcpy(rows + (int64_t)k * C, grad.colors + p * C, (size_t)C * 4);
  }
  for (int64_t c = 0; c < C; ++c)
    for (int k = 0; k < 16; ++k) columns[16 * c + k] = rows[(int64_t)k * C + c];
  return {rows, columns};
}

// value[i][pixel] = sum_c color_i[c] * gradient[c][pixel]
template <int R>
void contract(const float* const* rows, int C, const float* columns, float* value) {
  vf acc[R][NV] = {};
  for (int c = 0; c < C; ++c)
    for (int v = 0; v < NV; ++v) {
      vf g = load(columns + 16 * (int64_t)c + v * L);
      for (int r = 0; r < R; ++r) acc[r][v] += rows[r][c] * g;
    }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < NV; ++v) store(value + 16 * r + v * L, acc[r][v]);
}

template <bool ABS>
void geometry_block(const Frame& f, const Scene& s, const BlendOutput& out, const BlendGradient& grad,
                    const GradientBlock& g, int tile, int block, const BlockWork& w, float* tile_sums, int spare) {
  float* value = (float*)thread_scratch(6, ((size_t)w.count + 8) * 64);
  int i = 0;
  for (; i + 8 / NV <= w.count; i += 8 / NV)
    contract<8 / NV>(w.rows + i, s.channels, g.columns, value + 16 * (int64_t)i);
  for (; i < w.count; ++i) contract<1>(w.rows + i, s.channels, g.columns, value + 16 * (int64_t)i);
  float depth_only[4][16] = {}, ga[16] = {}, behind[16] = {}, *gz = depth_only[S_Z - S_R];
  for (int k = 0; k < 16; ++k) {
    const int64_t p = pixel_index(f, tile, block, k);
    if (p < 0) continue;
    if (grad.depths) gz[k] = grad.depths[p];
    if (grad.alphas) ga[k] = grad.alphas[p];
    if (out.background)
      for (int c = 0; c < s.channels; ++c) behind[k] += out.background[c] * g.rows[(int64_t)k * s.channels + c];
  }
  vf R[NV];
  for (int v = 0; v < NV; ++v) R[v] = load(behind + v * L);
  SplatGroup group;
  group.n = 0;
  for (i = w.count - 1; i >= 0; --i) {
    const Splat& q = w.splat(i);
    group.row[group.n] = (uint32_t)w.trace.splat[i];
    for (int v = 0; v < NV; ++v) {
      const int64_t at = 16 * (int64_t)i + v * L;
      vf alpha = load(w.trace.alpha + at), weight = load(w.trace.before + at) * alpha;
      vf total = load(value + at) + q.z * load(gz + v * L) + load(ga + v * L);
      store(group.v[group.n] + v * L, log_alpha_gradient(alpha, weight, total, R[v]));
      store(group.weight[group.n] + v * L, weight);
    }
    if (++group.n == L) add_group<ABS, S_Z>(group, w.splats, block, depth_only, tile_sums, spare);
  }
  if (group.n) add_group<ABS, S_Z>(group, w.splats, block, depth_only, tile_sums, spare);
}

// color gradient of splat i += sum_pixel weight_i[pixel] * gradient[pixel], channels [c0, c1).
// Leaves weights in trace.alpha.
void color_block(const Scene& s, const float* const* pixels, BlockWork& w, float* grads, int64_t c0, int64_t c1) {
  float* weights = w.trace.alpha;
  for (int64_t at = 0; at < 16 * (int64_t)w.count; at += L)
    store(weights + at, load(weights + at) * load(w.trace.before + at));
  for (int i = 0; i < w.count; i += ROWS) {
    float* to[ROWS] = {};
    for (int r = 0; r < ROWS && i + r < w.count; ++r) to[r] = grads + (int64_t)w.splat(i + r).id * s.channels;
    product_channels<ROWS, true>({weights + 16 * (int64_t)i, 16, 1}, pixels, 16, c0, c1, to);
  }
}

void backward_tile(const Frame& f, const Scene& s, const BlendOutput& out, const BlendGradient& grad, int tile,
                   const TileWork& work, float* color_grads, int64_t c0, int64_t c1, float* tile_sums, bool absolute) {
  BlockWork w;
  for (int b = 0; b < 16; ++b) {
    if (!work.count[b] || !trace_into(f, s, work, tile, b, w)) continue;
    if (tile_sums) {
      const GradientBlock g = stage_gradient(f, grad, s.channels, tile, b);
      if (absolute) geometry_block<true>(f, s, out, grad, g, tile, b, w, tile_sums, work.n);
      else geometry_block<false>(f, s, out, grad, g, tile, b, w, tile_sums, work.n);
    }
    if (!color_grads || !grad.colors) continue;
    const float* pixels[16];
    for (int k = 0; k < 16; ++k) {  // outside the image the weights are zero: any row will do
      const int64_t p = pixel_index(f, tile, b, k);
      pixels[k] = grad.colors + (p < 0 ? 0 : p) * s.channels;
    }
    color_block(s, pixels, w, color_grads, c0, c1);
  }
}

void geometry_tile(const Frame& f, const Scene& s, const BlendOutput& out, const BlendGradient& grad, int tile,
                   float* color_grads, float* sums, bool absolute, const int64_t* slots) {
  const TileWork work = list_tile(f, tile, true);
  const size_t bytes = (size_t)(work.n + 1) * SUM_STRIDE * sizeof(float);  // and a spare row
  float* tile_sums = (float*)thread_scratch(3, bytes);
  memset(tile_sums, 0, bytes);
  backward_tile(f, s, out, grad, tile, work, color_grads, 0, s.channels, tile_sums, absolute);
  flush_tile(f, tile, work, tile_sums, sums, slots);
}

}  // namespace

void blend_features(const Frame& f, const Scene& s, const BlendOutput& out, int threads) {
  const int tiles = f.tiles_x * f.tiles_y;
  Guard guard;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int tile = 0; tile < tiles; ++tile) guard([&] {
    f.tile_used[tile] = (uint32_t)tile_extent(f, tile);
    const TileWork work = list_tile(f, tile, false);
    BlockWork w;
    for (int b = 0; b < 16; ++b)
      if (trace_into(f, s, work, tile, b, w)) forward_block(f, s, out, tile, b, w);
  });
  guard.rethrow();
}

// Threads share out tiles for the geometry and channels for the colors: no two of them ever add to the same number.
void blend_features_backward(const Frame& f, const Scene& s, const BlendOutput& out, const BlendGradient& grad,
                             float* color_grads, float* sums, bool absolute, const int64_t* slots, int threads) {
  const int tiles = f.tiles_x * f.tiles_y;
  Guard guard;
  if (sums) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
    for (int tile = 0; tile < tiles; ++tile) guard([&] {
      geometry_tile(f, s, out, grad, tile, threads > 1 ? nullptr : color_grads, sums, absolute, slots);
    });
    guard.rethrow();
    if (threads <= 1) return;
  }
  if (!color_grads) return;
  const int64_t slices = threads > 1 ? threads : 1;
  const int64_t step = ((s.channels + slices - 1) / slices + L - 1) / L * L;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int64_t k = 0; k < slices; ++k) guard([&] {
    const int64_t c0 = k * step, c1 = c0 + step < s.channels ? c0 + step : s.channels;
    if (c0 >= c1) return;
    for (int tile = 0; tile < tiles; ++tile)
      backward_tile(f, s, out, grad, tile, list_tile(f, tile, true), color_grads, c0, c1, nullptr, false);
  });
  guard.rethrow();
}

}  // namespace CHORUS_ISA
}  // namespace chorus
