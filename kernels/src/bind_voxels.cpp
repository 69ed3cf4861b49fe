// Voxel neighbors and convolution, curve codes, coded rows, segment reductions, and structural similarity.
#include <vector>

#include "bind.h"
#include "neighbors.h"

namespace chorus {
namespace {

int64_t neighbors(In<int32_t> grid, In<int64_t> batch, Out<int32_t> table, int threads) {
  nb::gil_scoped_release release;
  return find_neighbors(grid.data(), batch.data(), (int64_t)grid.shape(0), table.data(), threads);
}

void curve_codes(In<int32_t> grid, In<int64_t> batch, bool hilbert, bool swap_xy, int depth, Out<int64_t> codes,
                 int threads) {
  nb::gil_scoped_release release;
  ops().curve_codes(grid.data(), batch.data(), (int64_t)grid.shape(0), CurveOrder{hilbert, swap_xy, depth},
                    codes.data(), threads);
}

void decode_rows(In<uint8_t> data, int64_t wide, In<int32_t> order, In<float> scales, Out<float> out, int threads) {
  nb::gil_scoped_release release;
  const CodedRows coded{data.data(), (int64_t)data.shape(0) - wide, wide, order.data(), (int64_t)order.shape(0),
                        (int64_t)out.shape(1), (int64_t)out.shape(0), (int64_t)scales.shape(0), scales.data()};
  ops().decode_rows(coded, out.data(), threads);
}

void conv_forward(In<float> feat, In<float> packed, In<int32_t> table, MaybeIn<float> bias, Out<float> out,
                  int threads) {
  nb::gil_scoped_release release;
  ops().conv_forward(feat.data(), (int64_t)feat.shape(0), (int)feat.shape(1), (int)out.shape(1), packed.data(),
                     table.data(), pointer(bias), out.data(), threads);
}

void conv_weight_gradient(In<float> feat, In<float> grad, int cout, In<int32_t> table, Out<float> packed_grad,
                          int threads) {
  nb::gil_scoped_release release;
  ops().conv_weight_gradient(feat.data(), grad.data(), (int64_t)feat.shape(0), (int)feat.shape(1), cout, table.data(),
                             packed_grad.data(), threads);
}

// Empty string, or what is wrong with the table.
nb::str check_table(In<int32_t> table) {
  const int64_t size = (int64_t)table.size(), n = (int64_t)table.shape(1);
  int32_t low = 0, high = -1;
  for (int64_t i = 0; i < size; ++i) { low = std::min(low, table.data()[i]); high = std::max(high, table.data()[i]); }
  if (low >= -1 && high < n) return nb::str("");
  const std::string bounds = std::to_string(low) + " to " + std::to_string(high);
  return nb::str(("table must hold rows in [0, " + std::to_string(n) + ") or -1, got " + bounds).c_str());
}

Segments segments(const In<float>& x, const In<int64_t>& indptr) {
  return {indptr.data(), (int64_t)indptr.shape(0) - 1, (int64_t)x.shape(1)};
}

void segment_max(In<float> x, In<int64_t> indptr, Out<float> out, Out<int64_t> argmax, int threads) {
  nb::gil_scoped_release release;
  ops().segment_max(x.data(), segments(x, indptr), out.data(), argmax.data(), threads);
}

void segment_sum(In<float> x, In<int64_t> indptr, bool mean, Out<float> out, int threads) {
  nb::gil_scoped_release release;
  ops().segment_sum(x.data(), segments(x, indptr), mean, out.data(), threads);
}

void segment_spread(In<float> grad, In<int64_t> indptr, bool mean, Out<float> out, int threads) {
  nb::gil_scoped_release release;
  ops().segment_spread(grad.data(), segments(grad, indptr), mean, out.data(), threads);
}

SsimShape ssim_shape(const In<float>& a, const In<float>& kernel) {
  return {(int64_t)a.shape(0), (int64_t)a.shape(1), (int64_t)a.shape(2), (int64_t)a.shape(3),
          (int)kernel.shape(0), kernel.data()};
}

double ssim_forward(In<float> a, In<float> b, In<float> kernel, MaybeOut<float> partials, int threads) {
  nb::gil_scoped_release release;
  std::vector<double> row_sums(a.shape(0) * a.shape(1));
  return ops().ssim_forward(a.data(), b.data(), ssim_shape(a, kernel), pointer(partials), row_sums.data(), threads);
}

void ssim_backward(In<float> a, In<float> b, In<float> kernel, In<float> partials, float scale, Out<float> grad,
                   int threads) {
  nb::gil_scoped_release release;
  ops().ssim_backward(a.data(), b.data(), ssim_shape(a, kernel), partials.data(), scale, grad.data(), threads);
}

}  // namespace

void bind_voxels(nb::module_& m) {
  m.def("neighbors", &neighbors);
  m.def("curve_codes", &curve_codes);
  m.def("decode_rows", &decode_rows);
  m.def("padded_channels", [](int64_t channels) { return ops().padded_channels(channels); });
  m.def("conv_forward", &conv_forward, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg());
  m.def("conv_weight_gradient", &conv_weight_gradient);
  m.def("check_table", &check_table);
  m.def("segment_max", &segment_max);
  m.def("segment_sum", &segment_sum);
  m.def("segment_spread", &segment_spread);
  m.def("ssim_forward", &ssim_forward, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg());
  m.def("ssim_backward", &ssim_backward);
}

}  // namespace chorus
