// Owns the memory of a Frame.
#pragma once
#include "memory.h"
#include "ops.h"

namespace chorus {

constexpr int64_t PAIR_LIMIT = (int64_t)1 << 31;

struct FrameStore {
  Frame frame = {};
  Block blocks[10];
  // Projects and sorts; fills radii[scene.n] (0: not visible). Throws std::invalid_argument past PAIR_LIMIT.
  void build(const Scene&, const Camera&, int32_t* radii, int threads);
  // For every place, the first of its splat's slots: one for each tile of its rectangle, row by row.
  // Valid until the next call.
  const int64_t* pair_slots();

 private:
  static Block* scratch();
};

// Calls what(place) for every visible splat of pieces [first, last), in order.
template <class What>
inline void splats_of_pieces(const Frame& f, int64_t first, int64_t last, What what) {
  for (int64_t piece = first; piece < last; ++piece)
    for (int64_t i = piece * PIECE; i < piece * PIECE + f.count[piece]; ++i) what(i);
}

// For all visible splats; the threads share out the pieces.
template <class What>
inline void each_splat(const Frame& f, int threads, What what) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t piece = 0; piece < f.pieces; ++piece) splats_of_pieces(f, piece, piece + 1, what);
}

// Sums of a splat, at its place in `sums`: cleared, or taken from its slots, in their order.
void clear_sums(const Frame&, float* sums);
void reduce_slots(const Frame&, const float* slots, const int64_t* first, float* sums, int threads);

}  // namespace chorus
