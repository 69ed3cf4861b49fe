// The visible splats of a view from near to far.
#pragma once
#include <cstdint>

#include "frame.h"
#include "memory.h"

namespace chorus {

struct Keyed { uint32_t key, index; };

struct DepthOrder { const Keyed* splats; int64_t n; };

// Rows with a positive radius, by depth, ties by row. Blocks: three to work in, and to keep the result.
DepthOrder depth_order(const Splat* splats, const int32_t* radii, int64_t rows, Block* blocks, int threads);

}  // namespace chorus
