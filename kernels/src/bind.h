// Shared by the binding files. The Python side has checked shapes, dtypes and devices (chorus_kernels/checks.py); what
// is checked here costs a pass over the numbers.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "ops.h"

namespace chorus {
namespace nb = nanobind;

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
template <class T>
using MaybeIn = std::optional<In<T>>;
template <class T>
using MaybeOut = std::optional<Out<T>>;

template <class A>
auto pointer(const std::optional<A>& a) { return a ? a->data() : nullptr; }

inline Numbers numbers(const char* name, const In<float>& a) { return {name, a.data(), (int64_t)a.size()}; }

inline void require_finite(const char* op, const std::vector<Numbers>& arrays, int threads) {
  const int wrong = ops().first_not_finite(arrays.data(), (int)arrays.size(), threads);
  if (wrong >= 0)
    throw std::invalid_argument(std::string(op) + ": " + arrays[wrong].name +
                                " has a NaN or an infinity; expected finite numbers only");
}

void bind_attention(nb::module_&);
void bind_raster(nb::module_&);
void bind_sparse(nb::module_&);
void bind_voxels(nb::module_&);

}  // namespace chorus
