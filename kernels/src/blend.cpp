// Front-to-back blending of three color channels, depth and alpha.
#include "ops.h"
#include "tile.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

struct BlockState {
  Px T, r, g, b, z;
  Px final;              // transmittance behind the last splat that was blended
  int32_t seen[16];      // splats of the block's list before the one that ended the pixel
  bool alive;
};

// Blends the block's splats of a chunk onto it; stops when every pixel is done.
// Not inlined: its loop alone fills the registers.
__attribute__((noinline)) void blend_block(const Chunk& chunk, int block, const BlockPixels& px, BlockState& state) {
  vf T[NV], final[NV], r[NV], g[NV], b[NV], z[NV];
  vi seen[NV];
  for (int s = 0; s < NV; ++s) {
    T[s] = state.T.v[s]; final[s] = state.final.v[s];
    r[s] = state.r.v[s]; g[s] = state.g.v[s]; b[s] = state.b.v[s]; z[s] = state.z.v[s];
    seen[s] = load_int(state.seen + s * L);
  }
  const auto blend_abreast = [&](auto abreast, const Splat* const* q, const Alpha (*a)[NV]) {
    constexpr int K = decltype(abreast)::value;
    uint32_t living = 0;
    for (int s = 0; s < NV; ++s) {
      vm on;
      for (int k = 0; k < K; ++k) {
        const vf shown = T[s] * a[k][s].a;
        on = dim(T[s], a[k][s].a);
        const vf weight = keep(on, shown);
        final[s] = select(on, T[s], final[s]);
        seen[s] = count_where(seen[s], on);
        r[s] += weight * q[k]->r; g[s] += weight * q[k]->g; b[s] += weight * q[k]->b; z[s] += weight * q[k]->z;
      }
      living |= bits(on);
    }
    return living != 0;
  };
  state.alive = each_alpha(chunk.splats, chunk.list[block], chunk.count[block], px, blend_abreast);
  for (int s = 0; s < NV; ++s) {
    state.T.v[s] = T[s]; state.final.v[s] = final[s];
    state.r.v[s] = r[s]; state.g.v[s] = g[s]; state.b.v[s] = b[s]; state.z.v[s] = z[s];
    store_int(state.seen + s * L, seen[s]);
  }
}

void write_block(const Frame& f, const BlendOutput& out, int tile, int block, const BlockState& state) {
  const int64_t first = (16 * (int64_t)tile + block) * 16;
  memcpy(f.transmittance + first, &state.final, 16 * sizeof(float));
  memcpy(f.seen + first, state.seen, sizeof state.seen);
  const int x0 = tile % f.tiles_x * TILE + block % 4 * 4, y0 = tile / f.tiles_x * TILE + block / 4 * 4;
  float v[5][16];
  for (int s = 0; s < NV; ++s) {
    store(v[0] + s * L, state.r.v[s]); store(v[1] + s * L, state.g.v[s]); store(v[2] + s * L, state.b.v[s]);
    store(v[3] + s * L, state.z.v[s]); store(v[4] + s * L, state.final.v[s]);
  }
  for (int y = 0; y < 4 && y0 + y < f.camera.height; ++y)
    for (int x = 0; x < 4 && x0 + x < f.camera.width; ++x) {
      const int64_t pixel = (int64_t)(y0 + y) * f.camera.width + x0 + x;
      const float T = v[4][4 * y + x];
      for (int c = 0; c < 3; ++c)
        out.colors[3 * pixel + c] = v[c][4 * y + x] + (out.background ? T * out.background[c] : 0.0f);
      out.depths[pixel] = v[3][4 * y + x];
      out.alphas[pixel] = 1.0f - T;
    }
}

void blend_tile(const Frame& f, const BlendOutput& out, int tile) {
  const int64_t n = f.tile_start[tile + 1] - f.tile_start[tile];
  prefetch_first(f, tile);
  BlockPixels px[16];
  BlockState state[16];
  for (int b = 0; b < 16; ++b) {
    px[b] = block_pixels(f, tile, b);
    for (int s = 0; s < NV; ++s) {
      state[b].final.v[s] = set1(1.0f);
      state[b].T.v[s] = keep(mask_from(part(px[b].inside, s)), set1(1.0f));
      state[b].r.v[s] = state[b].g.v[s] = state[b].b.v[s] = state[b].z.v[s] = vf{};
    }
    memset(state[b].seen, 0, sizeof state[b].seen);
    state[b].alive = px[b].inside;
  }
  int64_t done = 0;
  Chunk chunk;
  while (done < n) {
    const int64_t next = done + CHUNK < n ? done + CHUNK : n;
    list_chunk(f, tile, done, next, chunk);
    bool living = false;
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
  Guard guard;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int tile = 0; tile < tiles; ++tile) guard([&] { blend_tile(f, out, tile); });
  guard.rethrow();
}

}  // namespace CHORUS_ISA
}  // namespace chorus
