#pragma once
#include <cstdint>

namespace chorus {

// table [27][n]: row of the voxel at grid[i] + offset, or -1; offsets (kx, ky, kz) - 1, index (kx * 3 + ky) * 3 + kz.
// Returns -1, or the row of a voxel that occurs twice. Coordinates may be negative.
int64_t find_neighbors(const int32_t* grid, const int64_t* batch, int64_t n, int32_t* table, int threads);

}  // namespace chorus
