#include <cstdlib>
#include <new>

#include "frame.h"
#include "memory.h"

namespace chorus {

void Block::reserve(size_t bytes) {
  if (bytes <= capacity) return;
  // A fresh page costs about 2 microseconds on first touch, so grow with some slack and keep what was grown.
  size_t want = (bytes + bytes / 4 + 4095) / 4096 * 4096;
  std::free(data);
  data = std::aligned_alloc(64, want);
  capacity = data ? want : 0;
  if (!data) throw std::bad_alloc();
}

Block::~Block() { std::free(data); }

void* thread_scratch(int slot, size_t bytes) {
  static thread_local Block blocks[8];
  blocks[slot].reserve(bytes);
  return blocks[slot].data;
}

void reserve_scratch(int slot, size_t bytes, int threads) {
  bool failed = false;
#pragma omp parallel num_threads(threads) if (threads > 1) reduction(|| : failed)
  try {
    thread_scratch(slot, bytes);
  } catch (const std::bad_alloc&) {
    failed = true;
  }
  if (failed) throw std::bad_alloc();
}

}  // namespace chorus
