// Per pair of splat and tile: the blending weight summed onto the feature patches that the tile's pixels interpolate
// from. With B the upsampling of a patch map to the image (torch's bilinear, align_corners=False; or nearest), the
// values are W^T B.
#include "ops.h"
#include "reduce.h"
#include "tile_extent.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

// Interpolation weights of a block's 16 pixels for the patches it touches, row by row.
struct BlockFootprint {
  PatchRun rows, cols;
  float* weights;               // [rows * cols][16]
};

void axis_weights(const PatchAxis& axis, int first_pixel, const PatchRun& run, float (*w)[4]) {
  memset(w, 0, run.count * sizeof *w);
  for (int i = 0; i < 4 && first_pixel + i < axis.pixels; ++i) {
    const PatchSpan s = axis.spans[first_pixel + i];
    w[s.first - run.first][i] += 1.0f - s.fraction;
    w[s.second - run.first][i] += s.fraction;
  }
}

BlockFootprint footprint_of(const Frame& f, const PatchLayout& layout, int tile, int block) {
  const int x0 = tile % f.tiles_x * TILE + block % 4 * 4, y0 = tile / f.tiles_x * TILE + block / 4 * 4;
  BlockFootprint b = {touched(layout.y, y0, 4), touched(layout.x, x0, 4), nullptr};
  const size_t sides = (size_t)b.rows.count + b.cols.count, area = (size_t)b.rows.count * b.cols.count;
  float* memory = (float*)thread_scratch(3, (4 * sides + 16 * area) * sizeof(float));
  float (*wx)[4] = (float (*)[4])memory, (*wy)[4] = wx + b.cols.count;
  axis_weights(layout.x, x0, b.cols, wx);
  axis_weights(layout.y, y0, b.rows, wy);
  b.weights = memory + 4 * sides;
  for (int r = 0; r < b.rows.count; ++r)
    for (int c = 0; c < b.cols.count; ++c)
      for (int k = 0; k < 16; ++k) b.weights[16 * (r * b.cols.count + c) + k] = wy[r][k / 4] * wx[c][k % 4];
  return b;
}

// Adds the block's weights into values[splat * window + patch]; `at` maps the block's patches to the tile's window.
template <int Q>
void add_patches(const Trace& trace, int count, const float* footprint, const int* at, int patches, float* values,
                 int window) {
  for (int i = 0; i < count; ++i) {
    vf q[Q][NV];
    for (int v = 0; v < NV; ++v) {
      vf weight = load(trace.alpha + 16 * (int64_t)i + v * L) * load(trace.before + 16 * (int64_t)i + v * L);
      for (int k = 0; k < Q; ++k) q[k][v] = weight * load(footprint + 16 * (k < patches ? k : 0) + v * L);
    }
    float sums[16] = {};
    add_sums<Q>(sums, q);
    float* to = values + (int64_t)trace.splat[i] * window;
    for (int k = 0; k < patches; ++k) to[at[k]] += sums[k];
  }
}

void block_patches(const Frame& f, const PatchLayout& layout, const TileWork& work, int tile, int block,
                   float* values) {
  if (!work.count[block]) return;
  const BlockPixels px = block_pixels(f, tile, block);
  if (!px.inside) return;
  const Trace trace = trace_scratch(work.count[block]);
  const int count = trace_block(work, block, px, trace);
  const BlockFootprint b = footprint_of(f, layout, tile, block);
  const PatchRun rows = touched(layout.y, tile / f.tiles_x * TILE, TILE);
  const PatchRun cols = touched(layout.x, tile % f.tiles_x * TILE, TILE);
  const int patches = b.rows.count * b.cols.count;
  for (int k = 0; k < patches; k += 16) {
    const int n = patches - k < 16 ? patches - k : 16;
    int at[16] = {};
    for (int j = 0; j < n; ++j) {
      const int row = b.rows.first + (k + j) / b.cols.count, col = b.cols.first + (k + j) % b.cols.count;
      at[j] = (row - rows.first) * cols.count + col - cols.first;
    }
    const float* footprint = b.weights + 16 * k;
    if (n <= 4) add_patches<4>(trace, count, footprint, at, n, values, layout.window);
    else if (n <= 8) add_patches<8>(trace, count, footprint, at, n, values, layout.window);
    else add_patches<16>(trace, count, footprint, at, n, values, layout.window);
  }
}

}  // namespace

// values[slot * window + patch among those that the tile touches], all written.
// slots: of FrameStore::pair_slots.
void tile_patch_weights(const Frame& f, const PatchLayout& layout, const int64_t* slots, float* values, int threads) {
  const int tiles = f.tiles_x * f.tiles_y;
  const int64_t window = layout.window;
  Guard guard;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads) if (threads > 1)
  for (int tile = 0; tile < tiles; ++tile) guard([&] {
    if (f.tile_start[tile] == f.tile_start[tile + 1]) return;
    f.tile_used[tile] = (uint32_t)tile_extent(f, tile);
    const TileWork work = list_tile(f, tile, false);
    const size_t bytes = (size_t)(work.n * window) * sizeof(float);
    float* local = (float*)thread_scratch(4, bytes + 64);
    memset(local, 0, bytes);
    for (int b = 0; b < 16; ++b) block_patches(f, layout, work, tile, b, local);
    each_slot(f, tile, work, slots, [&](int64_t slot, int i) {
      if (i < 0) memset(values + slot * window, 0, window * sizeof(float));
      else memcpy(values + slot * window, local + i * window, window * sizeof(float));
    });
  });
  guard.rethrow();
}

}  // namespace CHORUS_ISA
}  // namespace chorus
