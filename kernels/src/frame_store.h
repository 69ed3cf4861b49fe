// Owns the memory of a Frame.
#pragma once
#include "memory.h"
#include "ops.h"

namespace chorus {

constexpr int64_t PAIR_LIMIT = (int64_t)1 << 31;

struct FrameStore {
  Frame frame = {};
  Block blocks[12];
  // Projects and sorts; fills radii[scene.n] (0: not visible). Throws std::invalid_argument past PAIR_LIMIT.
  void build(const Scene&, const Camera&, int32_t* radii, int threads);
  // For every entry, its place when pairs are grouped by splat; first[i]: where splat i's begin. Valid until the next call.
  const int64_t* pair_slots(const int64_t** first);
  // For every row of the scene, its place in frame.splats, or NOT_VISIBLE. Valid until this thread's next call.
  const uint32_t* places(int threads) const;

 private:
  static Block* scratch();
};

// sums[i] = sum of slots first[i] .. first[i + 1], in that order.
void reduce_slots(const float* slots, const int64_t* first, int64_t n, float* sums, int threads);

}  // namespace chorus
