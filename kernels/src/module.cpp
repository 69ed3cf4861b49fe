#include <ctime>

#include "bind.h"

// Floating-point operations per second of processor time, the best of a few short runs.
static double fma_peak() {
  double best = 0.0;
  for (int i = 0; i < 5; ++i) {
    const std::clock_t start = std::clock();
    const double done = chorus::ops().fma_chains(2000000);
    const double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
    if (seconds > 0 && done / seconds > best) best = done / seconds;
  }
  return best;
}

NB_MODULE(_native, m) {
  nanobind::set_leak_warnings(false);  // a graph alive at exit keeps its frames, which is no leak
  m.attr("isa") = chorus::ops().name;  // throws when no build fits, and with it the import
  m.def("fma_peak", &fma_peak);
  chorus::bind_attention(m);
  chorus::bind_raster(m);
  chorus::bind_sparse(m);
  chorus::bind_voxels(m);
}
