// The rate of fused multiply-adds that this build can reach at most; benchmarks are held against it.
#include "ops.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

// Operations done in so many rounds of independent chains; latency 4 at two a cycle needs 8 of them. The factors come
// from memory that the compiler may not look into; else it finds the chains' fixed point and drops the loop.
double fma_chains(int64_t rounds) {
  constexpr int CHAINS = L == 16 ? 16 : 12;  // the lesser builds have 16 registers in all
  volatile float factor = 0.999f, offset = 0.001f;
  const vf a = set1(factor), b = set1(offset);
  vf acc[CHAINS];
  for (int i = 0; i < CHAINS; ++i) acc[i] = set1(factor + 0.01f * i);
  for (int64_t r = 0; r < rounds; ++r)
    for (int i = 0; i < CHAINS; ++i) acc[i] = acc[i] * a + b;
  vf sum = vf{};
  for (int i = 0; i < CHAINS; ++i) sum += acc[i];
  volatile float sink = hsum(sum);
  (void)sink;
  return CHAINS * L * 2.0 * (double)rounds;
}

}  // namespace CHORUS_ISA
}  // namespace chorus
