// A stable radix sort whose passes are shared by the threads. Every thread counts its own part of the input and then
// knows where each of its items goes: behind all smaller digits, and behind the same digit in the parts of the threads
// before it. A stable sort has one result, so the number of threads does not show.
#include "depth_order.h"

#include <omp.h>

#include <cstring>
#include <utility>

namespace chorus {

namespace {

constexpr int BITS = 11, SIZE = 1 << BITS, PASSES = 3;  // 33 bits

struct Team { int rank, size; };

struct Part { const Keyed* items; int64_t count; };

Part part_of(const Keyed* items, int64_t n, Team t) {
  const int64_t first = n * t.rank / t.size;
  return {items + first, n * (t.rank + 1) / t.size - first};
}

// The keys of this thread's pieces, moved side by side to where the first begins.
Part keys_of(const Frame& f, Keyed* keys, Team t) {
  const int64_t first = f.pieces * t.rank / t.size, last = f.pieces * (t.rank + 1) / t.size;
  Keyed *begin = keys + first * PIECE, *end = begin;
  for (int64_t piece = first; piece < last; end += f.count[piece++])
    std::memmove(end, keys + piece * PIECE, sizeof(Keyed) * f.count[piece]);
  return {begin, end - begin};
}

// Sorts by one digit, from all threads' parts into `to`; false, and nothing is moved, when all n items have the same
// digit. The first pass always moves: it is what brings the parts together. counts: [team size][SIZE]. Every thread of
// the team comes here; n is set to the number of items.
bool sort_pass(Part part, Keyed* to, int pass, uint32_t* counts, Team t, int64_t& n) {
  const int shift = BITS * pass;
  uint32_t *mine = counts + (int64_t)t.rank * SIZE, place[SIZE];
  std::memset(mine, 0, SIZE * sizeof *mine);
  for (int64_t i = 0; i < part.count; ++i) ++mine[part.items[i].key >> shift & (SIZE - 1)];
#pragma omp barrier
  uint32_t sum = 0, most = 0;
  for (int digit = 0; digit < SIZE; ++digit) {
    uint32_t before = 0, all = 0;
    for (int k = 0; k < t.size; ++k) {
      if (k == t.rank) before = all;
      all += counts[(int64_t)k * SIZE + digit];
    }
    place[digit] = sum + before;
    sum += all;
    most = all > most ? all : most;
  }
  n = sum;
  const bool moves = pass == 0 || most < sum;
  if (moves)
    for (int64_t i = 0; i < part.count; ++i) to[place[part.items[i].key >> shift & (SIZE - 1)]++] = part.items[i];
#pragma omp barrier
  return moves;
}

}  // namespace

DepthOrder depth_order(const Frame& f, Keyed* keys, Block* blocks, int threads) {
  Keyed *a = keys, *b = array_in<Keyed>(blocks[0], f.scene_rows + 1);
  uint32_t* counts = array_in<uint32_t>(blocks[1], (size_t)threads * SIZE);
  DepthOrder order = {a, 0};
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    const Team t = {omp_get_thread_num(), omp_get_num_threads()};
    Keyed *from = a, *to = b;
    int64_t n = 0;
    Part part = keys_of(f, keys, t);
    for (int pass = 0; pass < PASSES; ++pass) {
      if (sort_pass(part, to, pass, counts, t, n)) {
        std::swap(from, to);
        part = part_of(from, n, t);
      }
    }
    if (t.rank == 0) order = {from, n};
  }
  return order;
}

}  // namespace chorus
