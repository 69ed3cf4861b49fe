// Memory that is grown once and used again.
#pragma once
#include <cstddef>

namespace chorus {

struct Block {
  void* data = nullptr;
  size_t capacity = 0;
  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block();
  void reserve(size_t bytes);  // contents are lost when it grows
};

// Makes thread_scratch(slot, bytes) ready on each of the threads of the next parallel region of so many, so that
// nothing is thrown inside it, which would end the process. Throws std::bad_alloc itself.
void reserve_scratch(int slot, size_t bytes, int threads);

// An array in a Block.
template <class T>
T* array_in(Block& block, size_t count) {
  block.reserve(count * sizeof(T));
  return static_cast<T*>(block.data);
}

}  // namespace chorus
