// Front-to-back blending of three colour channels, depth and alpha.
#include "ops.h"
#include "tile.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

struct BlockState {
  Px T, r, g, b, z;
  uint32_t alive;
};

// Blends the block's splats of a chunk onto it. Updates the state; stops when every pixel is done.
void blend_block(const Chunk& chunk, int block, const BlockPixels& px, BlockState& state) {
  vf T[NV], r[NV], g[NV], b[NV], z[NV];
  vm alive[NV];
  for (int s = 0; s < NV; ++s) {
    T[s] = state.T.v[s]; r[s] = state.r.v[s]; g[s] = state.g.v[s]; b[s] = state.b.v[s]; z[s] = state.z.v[s];
    alive[s] = mask_from(part(state.alive, s));
  }
  for (int i = 0; i < chunk.count[block]; ++i) {
    const Splat& q = chunk.splats[chunk.list[block][i]];
    bool ended = false;
    for (int s = 0; s < NV; ++s) {
      Alpha a = alpha_at(q, px.x.v[s], px.y.v[s], alive[s]);
      vf weight = keep(a.valid, T[s] * a.a);
      vf next = T[s] - weight;
      vm ok = gt(next, set1(T_MIN));
      if (CHORUS_UNLIKELY(!all(ok))) {
        weight = keep(ok, weight);
        next = select(ok, next, T[s]);
        alive[s] = both(alive[s], ok);
        ended = true;
      }
      T[s] = next;
      r[s] += weight * q.r; g[s] += weight * q.g; b[s] += weight * q.b; z[s] += weight * q.z;
    }
    if (CHORUS_UNLIKELY(ended)) {
      uint32_t living = 0;
      for (int s = 0; s < NV; ++s) living |= bits(alive[s]);
      if (!living) break;
    }
  }
  state.alive = 0;
  for (int s = 0; s < NV; ++s) {
    state.T.v[s] = T[s]; state.r.v[s] = r[s]; state.g.v[s] = g[s]; state.b.v[s] = b[s]; state.z.v[s] = z[s];
    state.alive |= bits(alive[s]) << (s * L);
  }
}

void write_block(const Frame& f, const BlendOutput& out, int tile, int block, const BlockState& state) {
  const int x0 = tile % f.tiles_x * TILE + block % 4 * 4, y0 = tile / f.tiles_x * TILE + block / 4 * 4;
  float v[5][16];
  for (int s = 0; s < NV; ++s) {
    store(v[0] + s * L, state.r.v[s]); store(v[1] + s * L, state.g.v[s]); store(v[2] + s * L, state.b.v[s]);
    store(v[3] + s * L, state.z.v[s]); store(v[4] + s * L, state.T.v[s]);
  }
  for (int y = 0; y < 4 && y0 + y < f.camera.height; ++y)
    for (int x = 0; x < 4 && x0 + x < f.camera.width; ++x) {
      const int64_t pixel = (int64_t)(y0 + y) * f.camera.width + x0 + x;
      const float T = v[4][4 * y + x];
      for (int c = 0; c < 3; ++c) out.colors[3 * pixel + c] = v[c][4 * y + x] + (out.background ? T * out.background[c] : 0.0f);
      out.depths[pixel] = v[3][4 * y + x];
      out.alphas[pixel] = 1.0f - T;
    }
}

void blend_tile(const Frame& f, const BlendOutput& out, int tile) {
  const int64_t n = f.tile_start[tile + 1] - f.tile_start[tile];
  BlockPixels px[16];
  BlockState state[16];
  for (int b = 0; b < 16; ++b) {
    px[b] = block_pixels(f, tile, b);
    for (int s = 0; s < NV; ++s) {
      state[b].T.v[s] = set1(1.0f);
      state[b].r.v[s] = state[b].g.v[s] = state[b].b.v[s] = state[b].z.v[s] = vf{};
    }
    state[b].alive = px[b].inside;
  }
  int64_t done = 0;
  Chunk chunk;
  while (done < n) {
    const int64_t next = done + CHUNK < n ? done + CHUNK : n;
    list_chunk(f, tile, done, next, chunk);
    uint32_t living = 0;
    for (int b = 0; b < 16; ++b) {
      if (state[b].alive) blend_block(chunk, b, px[b], state[b]);
      living |= state[b].alive;
    }
    done = next;
    if (!living) break;
  }
  f.tile_used[tile] = (uint32_t)done;
  for (int b = 0; b < 16; ++b) write_block(f, out, tile, b, state[b]);
}

}  // namespace

void blend(const Frame& f, const BlendOutput& out, int threads) {
  const int tiles = f.tiles_x * f.tiles_y;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads) if (threads > 1)
  for (int tile = 0; tile < tiles; ++tile) blend_tile(f, out, tile);
}

}  // namespace CHORUS_ISA
}  // namespace chorus
