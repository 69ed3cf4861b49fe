// Memory that is grown once and used again.
#pragma once
#include <atomic>
#include <cstddef>
#include <exception>

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

// Carries what is thrown on a thread of a parallel region (no memory for its scratch) out of it: an exception that
// leaves the region itself would end the process. In the region: guard([&] { one share of the work }); after it:
// guard.rethrow(). Once something was thrown, what is left of the work is passed over.
class Guard {
 public:
  Guard();
  ~Guard();
  template <class Work>
  void operator()(const Work& work) noexcept {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      work();
    } catch (...) {
      keep();
    }
  }
  void rethrow();

 private:
  void keep() noexcept;  // in memory.cpp, which is built for every processor: one copy of it is linked
  std::atomic<bool> failed_{false};
  std::exception_ptr first_;
};

// A reusable block of memory of the calling thread, 64-byte aligned; contents are undefined; slot < 8.
void* thread_scratch(int slot, size_t bytes);

// An array in a Block.
template <class T>
T* array_in(Block& block, size_t count) {
  block.reserve(count * sizeof(T));
  return static_cast<T*>(block.data);
}

}  // namespace chorus
