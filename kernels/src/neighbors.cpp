// Neighbors by sorting and merging: with voxels sorted by a key that is linear in (batch, x, y, z), the neighbors in
// one direction are found by walking two pointers along the same list. Half of the directions are walked; the other
// half are their mirrors.
#include "neighbors.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace chorus {

namespace {

int bits_for(uint64_t largest) {
  int b = 0;
  while (largest >> b) ++b;
  return b;
}

struct Layout {             // key = batch | x | y | z, each axis shifted by one so that steps never borrow
  int64_t low[4];
  int bits[4];              // z, y, x, batch
  int total() const { return bits[0] + bits[1] + bits[2] + bits[3]; }
};

Layout layout_of(const int32_t* grid, const int64_t* batch, int64_t n) {
  Layout l = {};
  for (int axis = 0; axis < 4; ++axis) {
    auto at = [&](int64_t i) { return axis < 3 ? (int64_t)grid[3 * i + 2 - axis] : batch[i]; };
    int64_t low = at(0), high = low;
    for (int64_t i = 1; i < n; ++i) { low = std::min(low, at(i)); high = std::max(high, at(i)); }
    l.low[axis] = low - 1;
    l.bits[axis] = bits_for((uint64_t)(high - low) + 2);
  }
  return l;
}

template <class Key>
struct Entry { Key key; uint32_t row; };

template <class Key>
void sort_entries(std::vector<Entry<Key>>& a, int bits) {
  constexpr int DIGIT = 11;
  std::vector<Entry<Key>> b(a.size());
  for (int shift = 0; shift < bits; shift += DIGIT) {
    size_t start[(1 << DIGIT) + 1] = {};
    for (const auto& e : a) ++start[(size_t)(e.key >> shift & ((1 << DIGIT) - 1)) + 1];
    for (int k = 0; k < 1 << DIGIT; ++k) start[k + 1] += start[k];
    for (const auto& e : a) b[start[(size_t)(e.key >> shift & ((1 << DIGIT) - 1))]++] = e;
    a.swap(b);
  }
}

// Links every voxel to those at delta - 1, delta, delta + 1 along the key; k is the offset index of delta.
template <class Key>
void merge_direction(const std::vector<Entry<Key>>& e, Key delta, int k, int64_t n, int32_t* table) {
  size_t j = 0;
  for (size_t i = 0; i < e.size(); ++i) {
    const Key want = e[i].key + delta - 1;
    while (j < e.size() && e[j].key < want) ++j;
    for (size_t m = j; m < e.size() && m < j + 3; ++m) {
      const Key step = e[m].key - want;
      if (step > 2) break;
      const int at = k - 1 + (int)step;
      table[at * n + e[i].row] = (int32_t)e[m].row;
      table[(26 - at) * n + e[m].row] = (int32_t)e[i].row;
    }
  }
}

template <class Key>
int64_t find(const int32_t* grid, const int64_t* batch, int64_t n, const Layout& l, int32_t* table, int threads) {
  std::vector<Entry<Key>> e((size_t)n);
  const int sy = l.bits[0], sx = sy + l.bits[1], sb = sx + l.bits[2];
  for (int64_t i = 0; i < n; ++i) {
    const int32_t* at = grid + 3 * i;
    const Key z = (Key)(at[2] - l.low[0]), y = (Key)(at[1] - l.low[1]), x = (Key)(at[0] - l.low[2]);
    e[i] = {(Key)(batch[i] - l.low[3]) << sb | x << sx | y << sy | z, (uint32_t)i};
  }
  sort_entries(e, l.total());
  for (int64_t i = 1; i < n; ++i)
    if (e[i].key == e[i - 1].key) return e[i].row;
  for (int64_t i = 0; i < n; ++i) table[13 * n + i] = (int32_t)i;
  for (int64_t i = 1; i < n; ++i) {
    if (e[i].key != e[i - 1].key + 1) continue;
    table[14 * n + e[i - 1].row] = (int32_t)e[i].row;
    table[12 * n + e[i].row] = (int32_t)e[i - 1].row;
  }
  const int dx[4] = {0, 1, 1, 1}, dy[4] = {1, -1, 0, 1};
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int d = 0; d < 4; ++d) {
    const Key delta = ((Key)dx[d] << sx) + (Key)dy[d] * ((Key)1 << sy);  // unsigned: -1 wraps to the right difference
    merge_direction(e, delta, (dx[d] + 1) * 9 + (dy[d] + 1) * 3 + 1, n, table);
  }
  return -1;
}

}  // namespace

int64_t find_neighbors(const int32_t* grid, const int64_t* batch, int64_t n, int32_t* table, int threads) {
  if (n == 0) return -1;
  std::memset(table, 0xff, sizeof(int32_t) * 27 * n);
  const Layout l = layout_of(grid, batch, n);
  if (l.total() < 64) return find<uint64_t>(grid, batch, n, l, table, threads);
  return find<unsigned __int128>(grid, batch, n, l, table, threads);
}

}  // namespace chorus
