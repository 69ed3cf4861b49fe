#include "bind.h"

NB_MODULE(_native, m) {
  nanobind::set_leak_warnings(false);  // a graph alive at exit keeps its frames, which is no leak
  m.attr("isa") = chorus::ops().name;  // throws when no build fits, and with it the import
  chorus::bind_raster(m);
  chorus::bind_sparse(m);
  chorus::bind_voxels(m);
}
