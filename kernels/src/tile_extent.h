// How far into a tile's list the pixels can see, for the passes that hold a whole tile's list at once.
#pragma once
#include "tile.h"

namespace chorus {
namespace CHORUS_ISA {

// Dims the block by a chunk's splats; false once every pixel is done.
static inline bool dim_block(const Chunk& chunk, int block, const BlockPixels& px, Px& T, uint32_t& alive) {
  for (int i = 0; i < chunk.count[block]; ++i) {
    uint32_t living = 0;
    for (int s = 0; s < NV; ++s) {
      const Alpha a = alpha_at(chunk.splats[chunk.list[block][i]], px.x.v[s], px.y.v[s], mask_from(part(alive, s)));
      vf next = T.v[s] - keep(a.valid, T.v[s] * a.a);
      vm ok = gt(next, set1(T_MIN));
      T.v[s] = select(ok, next, T.v[s]);
      living |= (bits(ok) & part(alive, s)) << (s * L);
    }
    alive = living;
    if (!alive) return false;
  }
  return true;
}

// Entries after which every pixel is done, to the chunk. Short lists are taken whole: finding out would cost more than it saves.
static inline int64_t tile_extent(const Frame& f, int tile) {
  const int64_t n = f.tile_start[tile + 1] - f.tile_start[tile];
  if (n <= 4 * CHUNK) return n;
  BlockPixels px[16];
  Px T[16];
  uint32_t alive[16];
  for (int b = 0; b < 16; ++b) {
    px[b] = block_pixels(f, tile, b);
    alive[b] = px[b].inside;
    for (int s = 0; s < NV; ++s) T[b].v[s] = set1(1.0f);
  }
  Chunk chunk;
  for (int64_t done = 0; done < n; done += CHUNK) {
    const int64_t next = done + CHUNK < n ? done + CHUNK : n;
    list_chunk(f, tile, done, next, chunk);
    bool living = false;
    for (int b = 0; b < 16; ++b)
      if (alive[b]) living |= dim_block(chunk, b, px[b], T[b], alive[b]);
    if (!living) return next;
  }
  return n;
}

}  // namespace CHORUS_ISA
}  // namespace chorus
