// The rate of fused multiply-adds that this build can reach at most; benchmarks are held against it.
#include "ops.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

double fma_chains(int64_t rounds) {
  vf acc[12];
  for (int i = 0; i < 12; ++i) acc[i] = set1(1.0f + 0.01f * i);
  vf a = set1(0.9999999f), b = set1(1e-7f);
  for (int64_t r = 0; r < rounds; ++r) {
    for (int i = 0; i < 12; ++i) acc[i] = acc[i] * a + b;
  }
  vf sum = vf{};
  for (int i = 0; i < 12; ++i) sum += acc[i];
  volatile float sink = hsum(sum);
  (void)sink;
  return 12.0 * L * 2.0 * (double)rounds;
}

}  // namespace CHORUS_ISA
}  // namespace chorus
