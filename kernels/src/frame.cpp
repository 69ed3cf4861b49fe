// Projects a scene into one view and sorts the splats: once by depth, then stably into tiles. Every step is shared by the threads.
#include "frame_store.h"

#include <omp.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "depth_order.h"

namespace chorus {

namespace {

int64_t area(const TileRect& r) { return (int64_t)(r.x1 - r.x0) * (r.y1 - r.y0); }

// Copies the visible splats in their order; returns how many pairs of splat and tile they make.
int64_t gather(Frame& f, const Keyed* order, const Splat* splats, const TileRect* rects, int threads) {
  int64_t pairs = 0;
#pragma omp parallel for schedule(static) reduction(+ : pairs) num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < f.n; ++i) {
    f.splats[i] = splats[order[i].index];
    f.rects[i] = rects[order[i].index];
    pairs += area(f.rects[i]);
  }
  return pairs;
}

// Before anything is walked or reserved: past the limit the walk alone would take hours.
void check_pairs(int64_t pairs) {
  if (pairs > PAIR_LIMIT)
    throw std::invalid_argument("rasterize: " + std::to_string(pairs) + " pairs of splat and 16-pixel tile, at most " +
                                std::to_string(PAIR_LIMIT) + "; render a smaller image, fewer splats or smaller ones");
}

// Calls what(splat, tile) for every pair of splats [first, last), in order.
template <class What>
void each_pair(const Frame& f, int64_t first, int64_t last, What what) {
  for (int64_t i = first; i < last; ++i) {
    const TileRect r = f.rects[i];
    for (int y = r.y0; y < r.y1; ++y)
      for (int x = r.x0; x < r.x1; ++x) what(i, y * f.tiles_x + x);
  }
}

// Turns counts[part][tile] into where the part's entries of the tile begin, and fills tile_start.
void starts(const Frame& f, uint32_t* counts, int parts) {
  const int tiles = f.tiles_x * f.tiles_y;
  int64_t sum = 0;
  for (int tile = 0; tile < tiles; ++tile) {
    f.tile_start[tile] = sum;
    for (int k = 0; k < parts; ++k) {
      uint32_t& count = counts[(int64_t)k * tiles + tile];
      const uint32_t n = count;
      count = (uint32_t)sum;
      sum += n;
    }
  }
  f.tile_start[tiles] = sum;
}

// A stable counting sort of the pairs by tile. The splats are cut into a part for each thread; a tile holds the parts one after another.
void fill_tiles(Frame& f, uint32_t* counts, int threads) {
  const int tiles = f.tiles_x * f.tiles_y;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    const int part = omp_get_thread_num(), parts = omp_get_num_threads();
    const int64_t first = f.n * part / parts, last = f.n * (part + 1) / parts;
    uint32_t* mine = counts + (int64_t)part * tiles;
    std::memset(mine, 0, sizeof(uint32_t) * tiles);
    each_pair(f, first, last, [=](int64_t, int tile) { ++mine[tile]; });
#pragma omp barrier
#pragma omp single
    starts(f, counts, parts);
    uint32_t* entries = f.entries;
    each_pair(f, first, last, [=](int64_t i, int tile) { entries[mine[tile]++] = (uint32_t)i; });
  }
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

  const DepthOrder order = depth_order(staged, radii, scene.n, scratch() + 2, threads);
  const int tiles = f.tiles_x * f.tiles_y;
  f.n = order.n;
  f.splats = array_in<Splat>(blocks[0], f.n + 1);
  f.rects = array_in<TileRect>(blocks[1], f.n + 1);
  f.pairs = gather(f, order.splats, staged, staged_rects, threads);
  check_pairs(f.pairs);
  f.tile_start = array_in<int64_t>(blocks[2], tiles + 1);
  f.tile_used = array_in<uint32_t>(blocks[3], tiles + 1);
  f.entries = array_in<uint32_t>(blocks[4], f.pairs + 1);
  f.reached = array_in<uint16_t>(blocks[9], f.pairs + 1);
  f.transmittance = array_in<float>(blocks[10], (int64_t)tiles * TILE * TILE);
  f.seen = array_in<int32_t>(blocks[11], (int64_t)tiles * TILE * TILE);
  fill_tiles(f, array_in<uint32_t>(blocks[5], (size_t)threads * tiles + 1), threads);
  ops().color_splats(scene, camera, f.splats, f.n, threads);
}

Block* FrameStore::scratch() {
  static thread_local Block shared[5];
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
    start[i + 1] = start[i] + area(f.rects[i]);
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
