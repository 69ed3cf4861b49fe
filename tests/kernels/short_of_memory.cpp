// Preloaded: memory that runs out on cue. Of what chorus_kernels._native asks for, the k-th request from now on fails,
// and those after it, until the cue is taken back; everything else in the process gets what it asks for. Requests below
// SMALL bytes are granted: nanobind, linked into the module, grows its table of objects where nothing may be thrown.
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

static constexpr size_t SMALL = 4096;
static std::atomic<long> left{-1};  // requests that are still granted; below zero: all

extern "C" void grant(long requests) { left = requests; }

static bool ours(void* caller) {
  Dl_info info;
  return dladdr(caller, &info) && info.dli_fname && std::strstr(info.dli_fname, "chorus_kernels/_native");
}

static bool refused(size_t size, void* caller) {
  if (left < 0 || size < SMALL || !ours(caller)) return false;
  long now = left;
  while (now > 0 && !left.compare_exchange_weak(now, now - 1)) {}
  return now == 0;
}

extern "C" void* aligned_alloc(size_t alignment, size_t size) {
  if (refused(size, __builtin_return_address(0))) return nullptr;
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) ? nullptr : memory;
}

void* operator new(size_t size) {
  if (refused(size, __builtin_return_address(0))) throw std::bad_alloc();
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
