// Gradients of the blend. With w_i = T_i a_i and q_i the loss gradient of a pixel contracted with the splat's colour, depth and alpha,
//   dL/da_i = T_i (q_i - R_i),   R_(i-1) = a_i q_i + (1 - a_i) R_i,   R_last = background . g
// R_i is what the pixel would show behind splat i through clear air. It needs no division by (1 - a_i).
#include "blend_backward.h"

#include "ops.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

// Loss gradient at a block's pixels: [r, g, b, z, alpha], zero outside the image.
struct BlockGradient { Px c[5]; Px behind; };

BlockGradient block_gradient(const Frame& f, const BlendGradient& grad, const float* background, int tile, int block) {
  const int x0 = tile % f.tiles_x * TILE + block % 4 * 4, y0 = tile / f.tiles_x * TILE + block / 4 * 4;
  float v[6][16] = {};
  for (int y = 0; y < 4 && y0 + y < f.camera.height; ++y)
    for (int x = 0; x < 4 && x0 + x < f.camera.width; ++x) {
      const int64_t pixel = (int64_t)(y0 + y) * f.camera.width + x0 + x;
      const int k = 4 * y + x;
      if (grad.colors)
        for (int c = 0; c < 3; ++c) {
          v[c][k] = grad.colors[3 * pixel + c];
          if (background) v[5][k] += v[c][k] * background[c];
        }
      if (grad.depths) v[3][k] = grad.depths[pixel];
      if (grad.alphas) v[4][k] = grad.alphas[pixel];
    }
  BlockGradient b;
  for (int s = 0; s < NV; ++s) {
    for (int c = 0; c < 5; ++c) b.c[c].v[s] = load(v[c] + s * L);
    b.behind.v[s] = load(v[5] + s * L);
  }
  return b;
}

template <bool ABS>
void reverse_block(const TileWork& work, const BlockPixels& px, const Trace& trace, int count, const BlockGradient& g, float* tile_sums) {
  vf R[NV];
  for (int s = 0; s < NV; ++s) R[s] = g.behind.v[s];
  for (int i = count - 1; i >= 0; --i) {
    const Splat& q = work.splats[trace.splat[i]];
    vf sums[ABS ? 12 : 10][NV];
    for (int s = 0; s < NV; ++s) {
      vf alpha = load(trace.alpha + 16 * (int64_t)i + s * L), T = load(trace.before + 16 * (int64_t)i + s * L);
      vf weight = T * alpha;
      vf value = q.r * g.c[0].v[s] + q.g * g.c[1].v[s] + q.b * g.c[2].v[s] + q.z * g.c[3].v[s] + g.c[4].v[s];
      vf v = log_alpha_gradient(alpha, weight, value, R[s]);
      shape_sums<ABS>(q, px.x.v[s], px.y.v[s], v, s, sums);
      for (int c = 0; c < 4; ++c) sums[S_R + c][s] = weight * g.c[c].v[s];
    }
    add_sums<ABS ? 12 : 10>(tile_sums + SUM_STRIDE * (int64_t)trace.splat[i], sums);
  }
}

}  // namespace

void blend_backward(const Frame& f, const BlendOutput& out, const BlendGradient& grad, float* sums, bool absolute,
                    int64_t* slots, int threads) {
  const int tiles = f.tiles_x * f.tiles_y;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads) if (threads > 1)
  for (int tile = 0; tile < tiles; ++tile) {
    const TileWork work = list_tile(f, tile, true);
    const size_t bytes = (size_t)work.n * SUM_STRIDE * sizeof(float);
    float* tile_sums = (float*)thread_scratch(3, bytes + 64);
    memset(tile_sums, 0, bytes);
    for (int b = 0; b < 16; ++b) {
      if (!work.count[b]) continue;
      const BlockPixels px = block_pixels(f, tile, b);
      const Trace trace = trace_scratch(work.count[b]);
      const int count = trace_block(work, b, px, trace);
      const BlockGradient g = block_gradient(f, grad, out.background, tile, b);
      if (absolute) reverse_block<true>(work, px, trace, count, g, tile_sums);
      else reverse_block<false>(work, px, trace, count, g, tile_sums);
    }
    flush_tile(f, tile, work, tile_sums, sums, slots);
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
