// A tile is 16 blocks of 4 x 4 pixels. Every block gets its own depth-ordered list of the splats that can reach it, so
// that the blend wastes few lanes; whether a splat reaches a block is decided exactly (the smallest exponent over the
// block's rectangle).
#pragma once
#include "block_lists.h"
#include "frame.h"
#include "memory.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

constexpr int CHUNK = 256;  // splats of a tile that are listed at a time

struct Px { vf v[NV]; };    // one value for each pixel of a block

static inline const float* lane_columns() {
  alignas(64) static const float k[16] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
  return k;
}
static inline const float* lane_rows() {
  alignas(64) static const float k[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
  return k;
}

// Bit b is set when the splat can reach alpha >= 1/255 on some pixel center of block b, b = 4 * block row + block
// column. The splat is relative to the tile.
static inline uint32_t blocks_reached(const Splat& g) {
  const float slack = g.budget * 1.0001f + 1e-3f;  // rounding may add a block, never lose one
  uint32_t reached = 0;
  for (int s = 0; s < NV; ++s) {
    vf x0 = 4.0f * load(lane_columns() + s * L) - g.mx, y0 = 4.0f * load(lane_rows() + s * L) - g.my;
    vf x1 = x0 + 3.0f, y1 = y0 + 3.0f;
    // The nearest point is inside, or on the vertical edge that faces the mean, or on the horizontal one.
    vf xe = vmax(x0, vmin(x1, vf{})), ye = vmax(y0, vmin(y1, vf{}));
    vf yv = vmax(y0, vmin(y1, g.dy_of_dx * xe)), xh = vmax(x0, vmin(x1, g.dx_of_dy * ye));
    vf uv = g.u11 * xe + g.u12 * yv, wv = g.u22 * yv;
    vf uh = g.u11 * xh + g.u12 * ye, wh = g.u22 * ye;
    vf least = vmin(uv * uv + wv * wv, uh * uh + wh * wh);
    reached |= bits(ge(set1(slack), least)) << (s * L);
  }
  return reached;
}

// One block's pixels.
struct BlockPixels {
  Px x, y;                // centers, relative to the center of the tile's first pixel
  uint32_t inside;        // bit per pixel: inside the image
};
static inline BlockPixels block_pixels(const Frame& f, int tile, int block) {
  BlockPixels b;
  const int x0 = tile % f.tiles_x * TILE + block % 4 * 4, y0 = tile / f.tiles_x * TILE + block / 4 * 4;
  for (int s = 0; s < NV; ++s) {
    b.x.v[s] = load(lane_columns() + s * L) + (float)(block % 4 * 4);
    b.y.v[s] = load(lane_rows() + s * L) + (float)(block / 4 * 4);
  }
  const int w = f.camera.width - x0, h = f.camera.height - y0;
  const uint32_t row = w >= 4 ? 15u : w <= 0 ? 0u : (1u << w) - 1u;
  const int rows = h >= 4 ? 4 : h <= 0 ? 0 : h;
  b.inside = (row * 0x1111u) & (rows == 4 ? 0xFFFFu : (1u << (4 * rows)) - 1u);
  return b;
}

static inline uint32_t part(uint32_t pixels, int s) { return pixels >> (s * L) & FULL; }

// Splats whose alphas are computed side by side: each is a long chain of operations, every one waiting for the last.
// SSE has too few registers for more than two.
constexpr int ABREAST = L > 4 ? 4 : 2;

template <int K>
struct Many { static constexpr int value = K; };

// Calls what(Many<K>, i) for all i < n, ABREAST at a time and then one by one, as long as it returns true.
// True if it always did.
template <class What>
static inline bool each_abreast(int n, What what) {
  int i = 0;
  for (; i + ABREAST <= n; i += ABREAST)
    if (!what(Many<ABREAST>(), i)) return false;
  for (; i < n; ++i)
    if (!what(Many<1>(), i)) return false;
  return true;
}

// alpha of K splats at a block's pixels where it is at least 1/255, else 0; and the mask of those.
struct Alpha { vf a; vm valid; };
template <int K>
static inline void alphas_at(const Splat* const* q, const vf* x, const vf* y, Alpha (*out)[NV]) {
  constexpr int N = K * NV;
  vf u[N], w[N], p[N], whole[N], power[N];
  for (int j = 0; j < N; ++j) w[j] = y[j % NV] - q[j / NV]->my;
  for (int j = 0; j < N; ++j) u[j] = x[j % NV] - q[j / NV]->mx;
  for (int j = 0; j < N; ++j) u[j] = q[j / NV]->u11 * u[j] + q[j / NV]->u12 * w[j];
  for (int j = 0; j < N; ++j) w[j] = q[j / NV]->u22 * w[j];
  for (int j = 0; j < N; ++j) p[j] = q[j / NV]->log2_opacity - u[j] * u[j];
  for (int j = 0; j < N; ++j) p[j] = p[j] - w[j] * w[j];
  for (int j = 0; j < N; ++j) whole[j] = vround(p[j]);
  for (int j = 0; j < N; ++j) out[j / NV][j % NV].valid = ge(p[j], set1(-LOG2_255));
  for (int j = 0; j < N; ++j) p[j] = p[j] - whole[j];
  for (int j = 0; j < N; ++j) power[j] = p[j] * EXP2[0] + EXP2[1];
  for (int t = 2; t < 6; ++t)
    for (int j = 0; j < N; ++j) power[j] = power[j] * p[j] + EXP2[t];
  for (int j = 0; j < N; ++j) power[j] = vmin(scale2(power[j], whole[j]), set1(ALPHA_MAX));
  for (int j = 0; j < N; ++j) out[j / NV][j % NV].a = keep(out[j / NV][j % NV].valid, power[j]);
}

// Calls what(Many<K>, q, a) for all n splats of a block's list, as each_abreast: q[K] their addresses, a[K][NV] their
// alphas at the block's pixels.
template <class Index, class What>
static inline bool each_alpha(const Splat* splats, const Index* list, int n, const BlockPixels& px, What what) {
  return each_abreast(n, [&](auto abreast, int i) {
    constexpr int K = decltype(abreast)::value;
    const Splat* q[K];
    Alpha a[K][NV];
    for (int k = 0; k < K; ++k) q[k] = splats + list[i + k];
    alphas_at<K>(q, px.x.v, px.y.v, a);
    return what(abreast, q, a);
  });
}

// Dims L pixels by a splat. The mask says where it is blended: before a splat that would bring the transmittance to
// T_MIN or less. That splat and all behind it go on dimming, so the mask never turns back, nothing waits for it, and
// nothing branches: the end of a pixel comes as a surprise, and a branch guessed wrong costs more than the splat
// itself.
static inline vm dim(vf& T, vf alpha) {
  T = dimmed(T, alpha);
  return gt(T, set1(T_MIN));
}

static inline float tile_left(const Frame& f, int tile) { return tile % f.tiles_x * TILE + 0.5f; }
static inline float tile_top(const Frame& f, int tile) { return tile / f.tiles_x * TILE + 0.5f; }

// The splat relative to a tile: near the tile the difference of large numbers is exact, and there is room for the rest.
static inline void place(Splat& to, const Splat& from, float left, float top) {
  to = from;
  to.mx = (from.mx - left) + from.mx_rest;
  to.my = (from.my - top) + from.my_rest;
}

constexpr int AHEAD = 48;  // entries of a tile lie scattered over the frame's splats: ask for them this early
// Inlined by force: GCC takes a function that only prefetches for one without effect, and drops the call.
__attribute__((always_inline)) static inline void prefetch(const Frame& f, const uint32_t* entries, int64_t i,
                                                           int64_t n) {
  if (i < n) __builtin_prefetch(&f.splats[entries[i]]);
}
__attribute__((always_inline)) static inline void prefetch_first(const Frame& f, int tile) {
  const int64_t start = f.tile_start[tile], n = f.tile_start[tile + 1] - start;
  for (int i = 0; i < AHEAD; ++i) prefetch(f, f.entries + start, i, n);
}

// A chunk of a tile's splats, copied side by side, and for every block the ones that reach it.
struct Chunk {
  Splat splats[CHUNK];
  int count[16];
  uint16_t list[16][CHUNK + SLACK];
};

// Lists the tile's entries [first, last) and remembers in f.reached which blocks they reach.
static inline void list_chunk(const Frame& f, int tile, int64_t first, int64_t last, Chunk& chunk) {
  const float left = tile_left(f, tile), top = tile_top(f, tile);
  const uint32_t* entries = f.entries + f.tile_start[tile] + first;
  uint16_t* remembered = f.reached + f.tile_start[tile] + first;
  const int64_t left_over = f.tile_start[tile + 1] - f.tile_start[tile] - first;
  for (int i = 0; i < (int)(last - first); ++i) {
    prefetch(f, entries, i + AHEAD, left_over);
    place(chunk.splats[i], f.splats[entries[i]], left, top);
    remembered[i] = (uint16_t)blocks_reached(chunk.splats[i]);
  }
  uint16_t* lists[16];
  for (int b = 0; b < 16; ++b) lists[b] = chunk.list[b];
  list_blocks(remembered, (int)(last - first), chunk.count, lists);
}

// The splats of a tile that reach any block, as far as the forward pass went; in thread scratch slots 0 and 1.
struct TileWork {
  int n;
  Splat* splats;           // [n] copied side by side
  uint32_t* entry;         // [n] position in the tile
  int count[16];
  uint32_t* list[16];      // [count] indices into splats, for every block
};

// `known`: f.reached was filled by an earlier pass over this tile; else it is filled here.
static inline TileWork list_tile(const Frame& f, int tile, bool known) {
  const int64_t used = f.tile_used[tile];
  TileWork t;
  t.n = 0;
  t.splats = (Splat*)thread_scratch(0, (size_t)(used + 1) * sizeof(Splat));
  const int64_t row = used + SLACK;
  t.entry = (uint32_t*)thread_scratch(1, (size_t)(17 * row) * sizeof(uint32_t) + (size_t)row * sizeof(uint16_t));
  for (int b = 0; b < 16; ++b) t.list[b] = t.entry + (b + 1) * row;
  uint16_t* kept = (uint16_t*)(t.entry + 17 * row);
  const float left = tile_left(f, tile), top = tile_top(f, tile);
  const uint32_t* entries = f.entries + f.tile_start[tile];
  uint16_t* remembered = f.reached + f.tile_start[tile];
  for (int64_t i = 0; i < used; ++i) {
    prefetch(f, entries, i + AHEAD, used);
    if (known && !remembered[i]) continue;
    place(t.splats[t.n], f.splats[entries[i]], left, top);
    if (!known) remembered[i] = (uint16_t)blocks_reached(t.splats[t.n]);
    if (!remembered[i]) continue;
    t.entry[t.n] = (uint32_t)i;
    kept[t.n++] = remembered[i];
  }
  list_blocks(kept, t.n, t.count, t.list);
  return t;
}

// Calls what(slot, i) for every entry of a tile: the place of its splat's results for this tile, and its index in
// `work`, or -1 if the splat is not in there. first: of FrameStore::pair_slots.
template <class What>
static inline void each_slot(const Frame& f, int tile, const TileWork& work, const int64_t* first, What what) {
  const int64_t start = f.tile_start[tile], n = f.tile_start[tile + 1] - start;
  const int x = tile % f.tiles_x, y = tile / f.tiles_x;
  for (int64_t entry = 0, i = 0; entry < n; ++entry) {
    const uint32_t place = f.entries[start + entry];
    const TileRect r = f.rects[place];
    const bool listed = i < work.n && work.entry[i] == entry;
    what(first[place] + (y - r.y0) * (r.x1 - r.x0) + x - r.x0, listed ? (int)i : -1);
    i += listed;
  }
}

// For every splat that touches a block, in depth order: its index in TileWork and its pixels' alpha and transmittance
// before it; alpha is 0 where the splat does not count. Exactly the forward pass again.
struct Trace { int32_t* splat; float* alpha; float* before; };

// Returns how many splats touched the block; last: transmittance behind them all.
static inline int trace_block(const TileWork& t, int block, const BlockPixels& px, const Trace& out,
                              Px* last = nullptr) {
  vf T[NV], final[NV];
  for (int s = 0; s < NV; ++s) { final[s] = set1(1.0f); T[s] = keep(mask_from(part(px.inside, s)), final[s]); }
  int kept = 0;
  const auto trace_abreast = [&](auto abreast, const Splat* const* q, const Alpha (*a)[NV]) {
    constexpr int K = decltype(abreast)::value;
    uint32_t living = 0;
    for (int k = 0; k < K; ++k) {
      uint32_t touched = 0;
      living = 0;
      for (int s = 0; s < NV; ++s) {
        store(out.before + 16 * (int64_t)kept + s * L, T[s]);
        const vm on = dim(T[s], a[k][s].a);
        store(out.alpha + 16 * (int64_t)kept + s * L, keep(on, a[k][s].a));
        final[s] = select(on, T[s], final[s]);
        touched |= bits(both(a[k][s].valid, on));
        living |= bits(on);
      }
      out.splat[kept] = (int32_t)(q[k] - t.splats);
      kept += touched != 0;
    }
    return living != 0;
  };
  each_alpha(t.splats, t.list[block], t.count[block], px, trace_abreast);
  if (last)
    for (int s = 0; s < NV; ++s) last->v[s] = final[s];
  return kept;
}

static inline Trace trace_scratch(int count) {  // thread scratch slot 2
  const size_t n = (size_t)count + 16;  // readers may look at whole groups of splats
  char* p = (char*)thread_scratch(2, n * (2 * 64 + 4));
  return {(int32_t*)(p + n * 128), (float*)p, (float*)(p + n * 64)};
}

}  // namespace CHORUS_ISA
}  // namespace chorus
