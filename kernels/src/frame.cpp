// Projects a scene into one view and sorts the splats: once by depth, then stably into tiles.
// Every step is shared by the threads.
#include "frame_store.h"

#include <cstring>
#include <stdexcept>
#include <string>

#include "depth_order.h"

namespace chorus {

namespace {

int64_t area(const TileRect& r) { return (int64_t)(r.x1 - r.x0) * (r.y1 - r.y0); }

// The splats in depth order are cut into a part for each thread. Every part counts its splats on a grid of a number for
// each tile, with a column and a row to spare, and then knows where its entries of a tile go: behind those of the parts
// before it.
struct Parts {
  const DepthOrder& order;
  int count;
  int64_t stride;        // between grids
  uint32_t* grids;       // unsigned: the steps down wrap, and entries count up to 2^31

  template <class What>  // calls what(grid, first, last): entries [first, last) of the order
  void each(What what) const {
#pragma omp parallel for schedule(static, 1) num_threads(count) if (count > 1)
    for (int k = 0; k < count; ++k) what(grids + k * stride, order.n * k / count, order.n * (k + 1) / count);
  }
};

// A rectangle adds one at each of its tiles: as a step up and a step down at its corners, summed up afterwards.
void count_tiles(const Frame& f, const Parts& parts) {
  const int64_t wide = f.tiles_x + 1;
  parts.each([&](uint32_t* grid, int64_t first, int64_t last) {
    std::memset(grid, 0, sizeof *grid * parts.stride);
    for (int64_t i = first; i < last; ++i) {
      const TileRect r = f.rects[parts.order.splats[i].index];
      ++grid[r.y0 * wide + r.x0];
      --grid[r.y0 * wide + r.x1];
      --grid[r.y1 * wide + r.x0];
      ++grid[r.y1 * wide + r.x1];
    }
    for (int64_t y = 0; y < f.tiles_y; ++y) {
      uint32_t row = 0;
      for (int64_t x = 0; x < f.tiles_x; ++x) {
        row += grid[y * wide + x];
        grid[y * wide + x] = row + (y ? grid[(y - 1) * wide + x] : 0);
      }
    }
  });
}

// Turns the counts into where the entries begin, of every tile and of every part in it; returns how many there are.
int64_t starts(const Frame& f, const Parts& parts) {
  int64_t sum = 0;
  for (int y = 0; y < f.tiles_y; ++y)
    for (int x = 0; x < f.tiles_x; ++x) {
      f.tile_start[y * f.tiles_x + x] = sum;
      for (int k = 0; k < parts.count; ++k) {
        uint32_t& at = parts.grids[k * parts.stride + y * (int64_t)(f.tiles_x + 1) + x];
        const uint32_t n = at;
        at = (uint32_t)sum;
        sum += n;
      }
    }
  return f.tile_start[f.tiles_x * f.tiles_y] = sum;
}

void check_pairs(int64_t pairs) {
  if (pairs > PAIR_LIMIT)
    throw std::invalid_argument("rasterize: " + std::to_string(pairs) + " pairs of splat and 16-pixel tile, at most " +
                                std::to_string(PAIR_LIMIT) + "; render a smaller image, fewer splats or smaller ones");
}

void fill_tiles(const Frame& f, const Parts& parts) {
  parts.each([&](uint32_t* grid, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const uint32_t place = parts.order.splats[i].index;
      const TileRect r = f.rects[place];
      for (int y = r.y0; y < r.y1; ++y)
        for (int x = r.x0; x < r.x1; ++x) f.entries[grid[y * (int64_t)(f.tiles_x + 1) + x]++] = place;
    }
  });
}

}  // namespace

void FrameStore::build(const Scene& scene, const Camera& camera, int32_t* radii, int threads) {
  Frame& f = frame;
  f.camera = camera;
  f.scene_rows = scene.n;
  f.pieces = (scene.n + PIECE - 1) / PIECE;
  f.tiles_x = (camera.width + TILE - 1) / TILE;
  f.tiles_y = (camera.height + TILE - 1) / TILE;
  f.splats = array_in<Splat>(blocks[0], scene.n + 1);
  f.rects = array_in<TileRect>(blocks[1], scene.n + 1);
  f.count = array_in<int32_t>(blocks[8], f.pieces + 1);
  Keyed* keys = array_in<Keyed>(scratch()[0], scene.n + 1);
  ops().project(scene, f, keys, radii, threads);
  const DepthOrder order = depth_order(f, keys, scratch() + 1, threads);
  f.n = order.n;

  const int tiles = f.tiles_x * f.tiles_y;
  const int64_t stride = (int64_t)(f.tiles_x + 1) * (f.tiles_y + 1);
  const Parts parts = {order, threads, stride, array_in<uint32_t>(scratch()[3], threads * stride)};
  f.tile_start = array_in<int64_t>(blocks[2], tiles + 1);
  count_tiles(f, parts);
  f.pairs = starts(f, parts);
  check_pairs(f.pairs);
  f.tile_used = array_in<uint32_t>(blocks[3], tiles + 1);
  f.entries = array_in<uint32_t>(blocks[4], f.pairs + 1);
  f.reached = array_in<uint16_t>(blocks[5], f.pairs + 1);
  f.transmittance = array_in<float>(blocks[6], (int64_t)tiles * TILE * TILE);
  f.seen = array_in<int32_t>(blocks[7], (int64_t)tiles * TILE * TILE);
  fill_tiles(f, parts);
}

Block* FrameStore::scratch() {
  static thread_local Block shared[4];
  return shared;
}

const int64_t* FrameStore::pair_slots() {
  int64_t* first = array_in<int64_t>(blocks[9], frame.scene_rows + 1);
  int64_t sum = 0;
  splats_of_pieces(frame, 0, frame.pieces, [&](int64_t place) {
    first[place] = sum;
    sum += area(frame.rects[place]);
  });
  return first;
}

void reduce_slots(const Frame& f, const float* slots, const int64_t* first, float* sums, int threads) {
  each_splat(f, threads, [=](int64_t place) {
    float acc[SUM_STRIDE] = {};
    const float* slot = slots + SUM_STRIDE * first[place];
    for (int64_t left = area(f.rects[place]); left; --left, slot += SUM_STRIDE)
      for (int j = 0; j < SUM_STRIDE; ++j) acc[j] += slot[j];
    std::memcpy(sums + SUM_STRIDE * place, acc, sizeof acc);
  });
}

void clear_sums(const Frame& f, float* sums) {
  for (int64_t piece = 0; piece < f.pieces; ++piece)
    std::memset(sums + SUM_STRIDE * piece * PIECE, 0, SUM_STRIDE * sizeof *sums * f.count[piece]);
}

}  // namespace chorus
