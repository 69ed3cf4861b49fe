// The visible splats of a view from near to far.
#pragma once
#include <cstdint>

#include "frame.h"
#include "memory.h"

namespace chorus {

struct DepthOrder { const Keyed* splats; int64_t n; };

// The frame's splats by key, ties by row.
// keys: at every place of a splat its key and the place; sorted in there and in two blocks.
DepthOrder depth_order(const Frame& f, Keyed* keys, Block* blocks, int threads);

}  // namespace chorus
