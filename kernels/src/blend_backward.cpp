// Gradients of the blend. With w_i = T_i a_i, and q_i the loss gradient of a pixel contracted with the splat's color,
// depth and alpha:
//   dL/da_i = T_i (q_i - R_i),   R_(i-1) = a_i q_i + (1 - a_i) R_i,   R_last = background . g
// R_i is what the pixel would show behind splat i through clear air, and needs no division by (1 - a_i).
// T_i = T_(i+1) / (1 - a_i) is divided, and put right by what dimming it again leaves over: where thousands of faint
// splats lie on a pixel, their roundings would add up.
#include "blend_backward.h"

#include "ops.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

// Loss gradient at a block's pixels: [r, g, b, z, alpha], zero outside the image.
struct BlockGradient { alignas(64) float c[5][16], behind[16]; };

BlockGradient block_gradient(const Frame& f, const BlendGradient& grad, const float* background, int tile, int block) {
  const int x0 = tile % f.tiles_x * TILE + block % 4 * 4, y0 = tile / f.tiles_x * TILE + block / 4 * 4;
  BlockGradient b = {};
  for (int y = 0; y < 4 && y0 + y < f.camera.height; ++y)
    for (int x = 0; x < 4 && x0 + x < f.camera.width; ++x) {
      const int64_t pixel = (int64_t)(y0 + y) * f.camera.width + x0 + x;
      const int k = 4 * y + x;
      if (grad.colors)
        for (int c = 0; c < 3; ++c) {
          b.c[c][k] = grad.colors[3 * pixel + c];
          if (background) b.behind[k] += b.c[c][k] * background[c];
        }
      if (grad.depths) b.c[3][k] = grad.depths[pixel];
      if (grad.alphas) b.c[4][k] = grad.alphas[pixel];
    }
  return b;
}

// The T that is `behind` once dimmed by alpha.
inline vf undimmed(vf behind, vf alpha) {
  const vf clear = 1.0f / (1.0f - alpha), T = behind * clear;
  return T + (behind - dimmed(T, alpha)) * clear;
}

struct BlockState { BlockPixels px; Px T, R; int32_t seen[16]; };

// Walks back over the block's list from `next` until the group is full; returns where it stopped, -1 at the front.
// Not inlined: its loop alone fills the registers.
__attribute__((noinline)) int fill_group(const TileWork& work, int block, int next, const BlockGradient& g,
                                         BlockState& state, SplatGroup& group) {
  vf T[NV], R[NV], c[5][NV];
  vi seen[NV];
  for (int s = 0; s < NV; ++s) {
    T[s] = state.T.v[s]; R[s] = state.R.v[s];
    seen[s] = load_int(state.seen + s * L);
    for (int k = 0; k < 5; ++k) c[k][s] = load(g.c[k] + s * L);
  }
  const uint32_t* list = work.list[block];
  int n = group.n;
  auto walk = [&](auto abreast, int i) {  // splats i, i - 1, ... of the list
    constexpr int K = decltype(abreast)::value;
    const Splat* q[K];
    for (int k = 0; k < K; ++k) q[k] = work.splats + list[i - k];
    Alpha a[K][NV];
    alphas_at<K>(q, state.px.x.v, state.px.y.v, a);
    for (int k = 0; k < K; ++k) {
      uint32_t touched = 0;
      for (int s = 0; s < NV; ++s) {
        const vm here = both(a[k][s].valid, above(seen[s], i - k));
        const vf alpha = keep(here, a[k][s].a);
        T[s] = undimmed(T[s], alpha);
        const vf weight = T[s] * alpha;
        const vf value = q[k]->r * c[0][s] + q[k]->g * c[1][s] + q[k]->b * c[2][s] + q[k]->z * c[3][s] + c[4][s];
        store(group.v[n] + s * L, log_alpha_gradient(alpha, weight, value, R[s]));
        store(group.weight[n] + s * L, weight);
        touched |= bits(here);
      }
      group.row[n] = list[i - k];
      n += touched != 0;
    }
  };
  while (next >= 0 && n < L) {
    if (next + 1 >= ABREAST) { walk(Many<ABREAST>(), next); next -= ABREAST; }
    else walk(Many<1>(), next--);
  }
  group.n = n;
  for (int s = 0; s < NV; ++s) { state.T.v[s] = T[s]; state.R.v[s] = R[s]; }
  return next;
}

template <bool ABS>
void reverse_block(const Frame& f, const TileWork& work, int tile, int block, const BlockGradient& g,
                   float* tile_sums) {
  BlockState state;
  const int64_t first = (16 * (int64_t)tile + block) * 16;
  state.px = block_pixels(f, tile, block);
  memcpy(&state.T, f.transmittance + first, 16 * sizeof(float));
  memcpy(&state.R, g.behind, 16 * sizeof(float));
  memcpy(state.seen, f.seen + first, sizeof state.seen);
  int most = 0;
  for (int k = 0; k < 16; ++k) most = state.seen[k] > most ? state.seen[k] : most;
  SplatGroup group;
  group.n = 0;
  for (int next = most - 1; next >= 0 || group.n;) {
    next = fill_group(work, block, next, g, state, group);
    if (group.n) add_group<ABS, S_R>(group, work.splats, block, g.c, tile_sums, work.n);
  }
}

}  // namespace

void blend_backward(const Frame& f, const BlendOutput& out, const BlendGradient& grad, float* sums, bool absolute,
                    const int64_t* slots, int threads) {
  const int tiles = f.tiles_x * f.tiles_y;
  Guard guard;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int tile = 0; tile < tiles; ++tile) guard([&] {
    const TileWork work = list_tile(f, tile, true);
    const size_t bytes = (size_t)(work.n + 1) * SUM_STRIDE * sizeof(float);  // and a spare row
    float* tile_sums = (float*)thread_scratch(3, bytes);
    memset(tile_sums, 0, bytes);
    for (int b = 0; b < 16; ++b) {
      if (!work.count[b]) continue;
      const BlockGradient g = block_gradient(f, grad, out.background, tile, b);
      if (absolute) reverse_block<true>(f, work, tile, b, g, tile_sums);
      else reverse_block<false>(f, work, tile, b, g, tile_sums);
    }
    flush_tile(f, tile, work, tile_sums, sums, slots);
  });
  guard.rethrow();
}

}  // namespace CHORUS_ISA
}  // namespace chorus
