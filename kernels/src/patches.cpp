// Per pair of splat and tile: the blending weight summed onto the feature patches that the tile's pixels interpolate
// from. With B the upsampling of a patch map to the image (torch's bilinear, align_corners=False; or nearest), the
// values are W^T B.
#include "ops.h"
#include "patch_window.h"
#include "reduce.h"
#include "tile_extent.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

// Interpolation weights of a block's 16 pixels for the patches it touches: at most side x side of them, row by row.
struct BlockFootprint {
  int row0, col0, rows, cols;   // patches, absolute
  float* weights;               // [rows * cols][16]
};

void axis_weights(int first_pixel, int pixels, int size, int patches, bool bilinear, int& patch0, int& count,
                  float (*w)[4]) {
  patch0 = patch_span(first_pixel, size, patches, bilinear).first;
  const int last = first_pixel + 3 < size ? first_pixel + 3 : size - 1;
  count = patch_span(last, size, patches, bilinear).second - patch0 + 1;
  for (int k = 0; k < count; ++k)
    for (int i = 0; i < 4; ++i) w[k][i] = 0.0f;
  for (int i = 0; i < pixels && first_pixel + i < size; ++i) {
    const PatchSpan s = patch_span(first_pixel + i, size, patches, bilinear);
    w[s.first - patch0][i] += 1.0f - s.fraction;
    w[s.second - patch0][i] += s.fraction;
  }
}

BlockFootprint footprint_of(const Frame& f, const PatchGrid& grid, int tile, int block) {
  const int x0 = tile % f.tiles_x * TILE + block % 4 * 4, y0 = tile / f.tiles_x * TILE + block / 4 * 4;
  const int most_x = patch_span_most(4, f.camera.width, grid.cols);
  const int most_y = patch_span_most(4, f.camera.height, grid.rows);
  const size_t floats = (size_t)(4 * (most_x + most_y) + 16 * most_x * most_y + 64);
  float* memory = (float*)thread_scratch(3, floats * sizeof(float));
  float (*wx)[4] = (float (*)[4])memory, (*wy)[4] = wx + most_x;
  BlockFootprint b;
  axis_weights(x0, 4, f.camera.width, grid.cols, grid.bilinear, b.col0, b.cols, wx);
  axis_weights(y0, 4, f.camera.height, grid.rows, grid.bilinear, b.row0, b.rows, wy);
  b.weights = memory + 4 * (most_x + most_y);
  for (int r = 0; r < b.rows; ++r)
    for (int c = 0; c < b.cols; ++c)
      for (int k = 0; k < 16; ++k) b.weights[16 * (r * b.cols + c) + k] = wy[r][k / 4] * wx[c][k % 4];
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

void block_patches(const Frame& f, const PatchGrid& grid, const TileWork& work, const PatchWindow& window, int tile,
                   int block, int stride, float* values) {
  if (!work.count[block]) return;
  const BlockPixels px = block_pixels(f, tile, block);
  if (!px.inside) return;
  const Trace trace = trace_scratch(work.count[block]);
  const int count = trace_block(work, block, px, trace);
  const BlockFootprint b = footprint_of(f, grid, tile, block);
  const int patches = b.rows * b.cols;
  for (int k = 0; k < patches; k += 16) {
    const int n = patches - k < 16 ? patches - k : 16;
    int at[16] = {};
    for (int j = 0; j < n; ++j)
      at[j] = (b.row0 + (k + j) / b.cols - window.row0) * window.cols + b.col0 + (k + j) % b.cols - window.col0;
    const float* footprint = b.weights + 16 * k;
    if (n <= 4) add_patches<4>(trace, count, footprint, at, n, values, stride);
    else if (n <= 8) add_patches<8>(trace, count, footprint, at, n, values, stride);
    else add_patches<16>(trace, count, footprint, at, n, values, stride);
  }
}

}  // namespace

// values[slot * stride + patch in the tile's window], all written; stride is the largest window.
// slots: of FrameStore::pair_slots.
void tile_patch_weights(const Frame& f, const PatchGrid& grid, int stride, const int64_t* slots, float* values,
                        int threads) {
  const int tiles = f.tiles_x * f.tiles_y;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads) if (threads > 1)
  for (int tile = 0; tile < tiles; ++tile) {
    if (f.tile_start[tile] == f.tile_start[tile + 1]) continue;
    f.tile_used[tile] = (uint32_t)tile_extent(f, tile);
    const TileWork work = list_tile(f, tile, false);
    const size_t bytes = (size_t)work.n * stride * sizeof(float);
    float* local = (float*)thread_scratch(4, bytes + 64);
    memset(local, 0, bytes);
    const PatchWindow window = patch_window(f, grid, tile % f.tiles_x, tile / f.tiles_x);
    for (int b = 0; b < 16; ++b) block_patches(f, grid, work, window, tile, b, stride, local);
    each_slot(f, tile, work, slots, [&](int64_t slot, int i) {
      if (i < 0) memset(values + slot * stride, 0, stride * sizeof(float));
      else memcpy(values + slot * stride, local + (int64_t)i * stride, stride * sizeof(float));
    });
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
