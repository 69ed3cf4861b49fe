// Chooses, once, the build of the hot files that this machine can run.
// CHORUS_ISA=sse42|avx2|avx512 asks for a lesser one.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "ops.h"

namespace chorus {

#if CHORUS_X86
extern const Ops ops_sse42, ops_avx2, ops_avx512;

static bool runs(const char* name) {
  __builtin_cpu_init();
  if (!std::strcmp(name, "avx512"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
  if (!std::strcmp(name, "avx2"))
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  return __builtin_cpu_supports("sse4.2");
}

static const Ops& choose() {
  const Ops* all[] = {  // best first; CMake's CHORUS_ISAS says which were built
#if CHORUS_HAS_avx512
      &ops_avx512,
#endif
#if CHORUS_HAS_avx2
      &ops_avx2,
#endif
#if CHORUS_HAS_sse42
      &ops_sse42,
#endif
  };
  const char* wish = std::getenv("CHORUS_ISA");
  for (const Ops* o : all)
    if ((!wish || !*wish || !std::strcmp(wish, o->name)) && runs(o->name)) return *o;
  std::string message = "chorus_kernels: no build for this machine";
  if (wish) message += std::string(" named CHORUS_ISA=") + wish + " (choose sse42, avx2 or avx512)";
  throw std::runtime_error(message);
}
#else
extern const Ops ops_generic;
static const Ops& choose() { return ops_generic; }
#endif

const Ops& ops() {
  static const Ops& chosen = choose();
  return chosen;
}

}  // namespace chorus
