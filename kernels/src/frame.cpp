// Projects a scene into one view and sorts the splats: once by depth, then stably into tiles.
#include "frame_store.h"

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace chorus {

namespace {

struct Keyed { uint32_t key, index; };

// Stable radix sort by key, 11 bits a pass; passes in which all keys agree are skipped.
Keyed* sort_by_key(Keyed* a, Keyed* b, int64_t n) {
  constexpr int BITS = 11, SIZE = 1 << BITS;
  static thread_local uint32_t histogram[3][SIZE];
  std::memset(histogram, 0, sizeof histogram);
  for (int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < 3; ++pass) ++histogram[pass][a[i].key >> (BITS * pass) & (SIZE - 1)];
  for (int pass = 0; pass < 3; ++pass) {
    uint32_t* h = histogram[pass];
    if (n == 0 || h[a[0].key >> (BITS * pass) & (SIZE - 1)] == n) continue;
    uint32_t sum = 0;
    for (int k = 0; k < SIZE; ++k) { uint32_t c = h[k]; h[k] = sum; sum += c; }
    for (int64_t i = 0; i < n; ++i) b[h[a[i].key >> (BITS * pass) & (SIZE - 1)]++] = a[i];
    std::swap(a, b);
  }
  return a;
}

// Counted before anything is walked or reserved: past the limit the walk alone would take hours.
int64_t count_pairs(const Frame& f) {
  int64_t pairs = 0;
  for (int64_t i = 0; i < f.n; ++i) pairs += (int64_t)(f.rects[i].x1 - f.rects[i].x0) * (f.rects[i].y1 - f.rects[i].y0);
  if (pairs > PAIR_LIMIT)
    throw std::invalid_argument("rasterize: " + std::to_string(pairs) + " pairs of splat and 16-pixel tile, at most " +
                                std::to_string(PAIR_LIMIT) + "; render a smaller image, fewer splats or smaller ones");
  return pairs;
}

// Calls what(splat, tile) for every pair, splats in order, on bands of tile rows shared over the threads: a tile has one writer.
template <class What>
void each_pair(const Frame& f, int threads, What what) {
  const int bands = threads < f.tiles_y ? threads : f.tiles_y;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int band = 0; band < bands; ++band) {
    const int low = f.tiles_y * band / bands, high = f.tiles_y * (band + 1) / bands;
    for (int64_t i = 0; i < f.n; ++i) {
      const TileRect r = f.rects[i];
      const int y0 = r.y0 > low ? r.y0 : low, y1 = r.y1 < high ? r.y1 : high;
      for (int y = y0; y < y1; ++y)
        for (int x = r.x0; x < r.x1; ++x) what(i, y * f.tiles_x + x);
    }
  }
}

void fill_tiles(Frame& f, Block* blocks, int threads) {
  f.pairs = count_pairs(f);
  const int tiles = f.tiles_x * f.tiles_y;
  f.tile_start = array_in<int64_t>(blocks[2], tiles + 1);
  f.tile_used = array_in<uint32_t>(blocks[3], tiles + 1);
  f.transmittance = array_in<float>(blocks[10], (int64_t)tiles * TILE * TILE);
  f.seen = array_in<int32_t>(blocks[11], (int64_t)tiles * TILE * TILE);
  std::memset(f.tile_start, 0, sizeof(int64_t) * (tiles + 1));
  int64_t* count = f.tile_start + 1;
  each_pair(f, threads, [=](int64_t, int tile) { ++count[tile]; });
  for (int k = 0; k < tiles; ++k) count[k] += f.tile_start[k];
  f.entries = array_in<uint32_t>(blocks[4], f.pairs + 1);
  f.reached = array_in<uint16_t>(blocks[9], f.pairs + 1);
  int64_t* cursor = array_in<int64_t>(blocks[5], tiles + 1);
  std::memcpy(cursor, f.tile_start, sizeof(int64_t) * tiles);
  uint32_t* entries = f.entries;
  each_pair(f, threads, [=](int64_t i, int tile) { entries[cursor[tile]++] = (uint32_t)i; });
}

}  // namespace

void FrameStore::build(const Scene& scene, const Camera& camera, int32_t* radii, int threads) {
  Frame& f = frame;
  f.camera = camera;
  f.scene_rows = scene.n;
  f.tiles_x = (camera.width + TILE - 1) / TILE;
  f.tiles_y = (camera.height + TILE - 1) / TILE;
  Splat* staged = array_in<Splat>(scratch()[0], scene.n + 1);
  TileRect* staged_rects = array_in<TileRect>(scratch()[1], scene.n + 1);
  ops().project(scene, camera, f.tiles_x, f.tiles_y, staged, staged_rects, radii, threads);

  Keyed* keys = array_in<Keyed>(scratch()[2], scene.n + 1);
  Keyed* other = array_in<Keyed>(scratch()[3], scene.n + 1);
  int64_t n = 0;
  for (int64_t i = 0; i < scene.n; ++i) {
    if (radii[i] <= 0) continue;
    uint32_t bits;  // depths are positive, and positive floats sort like their bits
    std::memcpy(&bits, &staged[i].z, 4);
    keys[n++] = {bits, (uint32_t)i};
  }
  keys = sort_by_key(keys, other, n);
  f.n = n;
  f.splats = array_in<Splat>(blocks[0], n + 1);
  f.rects = array_in<TileRect>(blocks[1], n + 1);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t r = 0; r < n; ++r) {
    f.splats[r] = staged[keys[r].index];
    f.rects[r] = staged_rects[keys[r].index];
  }
  fill_tiles(f, blocks, threads);
  ops().color_splats(scene, camera, f.splats, n, threads);
}

Block* FrameStore::scratch() {
  static thread_local Block shared[4];
  return shared;
}

const uint32_t* FrameStore::places(int threads) const {
  const Frame& f = frame;
  uint32_t* place = array_in<uint32_t>(scratch()[2], f.scene_rows + 1);
  std::memset(place, 0xFF, sizeof(uint32_t) * f.scene_rows);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < f.n; ++i) place[f.splats[i].id] = (uint32_t)i;
  return place;
}

const int64_t* FrameStore::pair_slots(const int64_t** first) {
  // Slot of every entry: all pairs of one splat together, in tile order.
  Frame& f = frame;
  int64_t* start = array_in<int64_t>(blocks[6], f.n + 1);
  int64_t* slots = array_in<int64_t>(blocks[7], f.pairs + 1);
  int64_t* cursor = array_in<int64_t>(blocks[8], f.n + 1);
  start[0] = 0;
  for (int64_t i = 0; i < f.n; ++i) {
    cursor[i] = start[i];
    start[i + 1] = start[i] + (int64_t)(f.rects[i].x1 - f.rects[i].x0) * (f.rects[i].y1 - f.rects[i].y0);
  }
  for (int64_t p = 0; p < f.pairs; ++p) slots[p] = cursor[f.entries[p]]++;
  *first = start;
  return slots;
}

void reduce_slots(const float* slots, const int64_t* first, int64_t n, float* sums, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < n; ++i) {
    float acc[SUM_STRIDE] = {};
    for (int64_t p = first[i]; p < first[i + 1]; ++p)
      for (int j = 0; j < SUM_STRIDE; ++j) acc[j] += slots[SUM_STRIDE * p + j];
    std::memcpy(sums + SUM_STRIDE * i, acc, sizeof acc);
  }
}

}  // namespace chorus
