// How far into a tile's list the pixels can see, for the passes that hold a whole tile's list at once.
#pragma once
#include "tile.h"

namespace chorus {
namespace CHORUS_ISA {

// Dims the block by a chunk's splats; false once every pixel is done.
static inline bool dim_block(const Chunk& chunk, int block, const BlockPixels& px, Px& T) {
  const auto dim_abreast = [&](auto abreast, const Splat* const*, const Alpha (*a)[NV]) {
    constexpr int K = decltype(abreast)::value;
    uint32_t living = 0;
    for (int s = 0; s < NV; ++s) {
      vm on;
      for (int k = 0; k < K; ++k) on = dim(T.v[s], a[k][s].a);
      living |= bits(on);
    }
    return living != 0;
  };
  return each_alpha(chunk.splats, chunk.list[block], chunk.count[block], px, dim_abreast);
}

// Entries after which every pixel is done, to the chunk.
// Short lists are taken whole: finding out would cost more than it saves.
static inline int64_t tile_extent(const Frame& f, int tile) {
  const int64_t n = f.tile_start[tile + 1] - f.tile_start[tile];
  if (n <= 4 * CHUNK) return n;
  BlockPixels px[16];
  Px T[16];
  bool alive[16];
  for (int b = 0; b < 16; ++b) {
    px[b] = block_pixels(f, tile, b);
    alive[b] = px[b].inside;
    for (int s = 0; s < NV; ++s) T[b].v[s] = keep(mask_from(part(px[b].inside, s)), set1(1.0f));
  }
  Chunk chunk;
  for (int64_t done = 0; done < n; done += CHUNK) {
    const int64_t next = done + CHUNK < n ? done + CHUNK : n;
    list_chunk(f, tile, done, next, chunk);
    bool living = false;
    for (int b = 0; b < 16; ++b) {
      alive[b] = alive[b] && dim_block(chunk, b, px[b], T[b]);
      living |= alive[b];
    }
    if (!living) return next;
  }
  return n;
}

}  // namespace CHORUS_ISA
}  // namespace chorus
