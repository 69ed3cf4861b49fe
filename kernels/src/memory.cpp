#include <cstdlib>
#include <new>

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

Guard::Guard() = default;

Guard::~Guard() = default;

void Guard::keep() noexcept {
  if (!failed_.exchange(true)) first_ = std::current_exception();
}

void Guard::rethrow() {
  if (first_) std::rethrow_exception(first_);
}

}  // namespace chorus
