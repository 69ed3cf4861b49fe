// patch_weights and the sparse products.
#include "bind.h"
#include "patch_builder.h"
#include "views.h"

namespace chorus {
namespace {

void add_view(PatchBuilder& builder, In<float> means, In<float> quats, In<float> scales, In<float> opacities,
              In<float> viewmat, In<float> K, int width, int height, float near_plane, float far_plane, int threads) {
  Inputs in{means, quats, scales, opacities};
  require_finite("patch_weights", numbers(in, {numbers("viewmats", viewmat), numbers("Ks", K)}), threads);
  nb::gil_scoped_release release;
  const Scene scene = make_scene(in, nullptr, 3, -1, 0);
  builder.add_view(scene, make_camera(viewmat.data(), K.data(), width, height, near_plane, far_plane, 0.3f), threads);
}

void write(const PatchBuilder& builder, Out<int64_t> indptr, Out<int32_t> indices, Out<float> values, Out<float> total,
           Out<float> coverage) {
  nb::gil_scoped_release release;
  builder.write(indptr.data(), indices.data(), values.data(), total.data(), coverage.data());
}

using Dense = nb::ndarray<nb::c_contig, nb::device::cpu>;

SpmmInput spmm_input(const In<int64_t>& indptr, const In<int32_t>& indices, const In<float>& values, const Dense& dense,
                     int64_t columns) {
  return {indptr.data(), indices.data(), values.data(), (int64_t)indptr.shape(0) - 1, columns,
          dense.data(), dense.dtype().bits == 16, (int64_t)dense.shape(1)};
}

void spmm(In<int64_t> indptr, In<int32_t> indices, In<float> values, Dense dense, Out<float> out, int threads) {
  nb::gil_scoped_release release;
  ops().spmm(spmm_input(indptr, indices, values, dense, (int64_t)dense.shape(0)), out.data(), threads);
}

void spmm_t(In<int64_t> indptr, In<int32_t> indices, In<float> values, Dense dense, Out<float> out, int threads) {
  nb::gil_scoped_release release;
  ops().spmm_t(spmm_input(indptr, indices, values, dense, (int64_t)out.shape(0)), out.data(), threads);
}

// Indices inside [0, columns) and indptr ascending from 0 to nnz; else the kernel would read elsewhere.
std::string check_csr(In<int64_t> indptr, In<int32_t> indices, int64_t columns) {
  const int64_t n = (int64_t)indptr.shape(0) - 1, nnz = (int64_t)indices.shape(0);
  const int64_t* p = indptr.data();
  if (p[0] != 0 || p[n] != nnz)
    return "indptr must run from 0 to len(indices) = " + std::to_string(nnz) + ", got " + std::to_string(p[0]) +
           " to " + std::to_string(p[n]);
  for (int64_t i = 0; i < n; ++i)
    if (p[i + 1] < p[i]) return "indptr must not decrease, it does at " + std::to_string(i);
  const int32_t* k = indices.data();
  for (int64_t i = 0; i < nnz; ++i)
    if (k[i] < 0 || k[i] >= columns)
      return "indices must lie in [0, " + std::to_string(columns) + "), got " + std::to_string(k[i]) + " at " +
             std::to_string(i);
  return "";
}

void transpose(In<int64_t> indptr, In<int32_t> indices, In<float> values, Out<int64_t> t_indptr, Out<int32_t> t_indices,
               Out<float> t_values) {
  nb::gil_scoped_release release;
  const int64_t rows = (int64_t)indptr.shape(0) - 1, columns = (int64_t)t_indptr.shape(0) - 1;
  const int64_t nnz = (int64_t)indices.shape(0);
  int64_t* start = t_indptr.data();
  memset(start, 0, sizeof(int64_t) * (columns + 1));
  for (int64_t k = 0; k < nnz; ++k) ++start[indices.data()[k] + 1];
  for (int64_t c = 0; c < columns; ++c) start[c + 1] += start[c];
  std::vector<int64_t> cursor(start, start + columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = indptr.data()[i]; k < indptr.data()[i + 1]; ++k) {
      const int64_t at = cursor[indices.data()[k]]++;
      t_indices.data()[at] = (int32_t)i;
      t_values.data()[at] = values.data()[k];
    }
}

}  // namespace

void bind_sparse(nb::module_& m) {
  nb::class_<PatchBuilder>(m, "PatchBuilder")
      .def("__init__", [](PatchBuilder* self, int64_t rows, int patch_rows, int patch_cols, bool bilinear) {
        new (self) PatchBuilder(rows, PatchGrid{patch_rows, patch_cols, bilinear});
      })
      .def("add_view", &add_view)
      .def("nnz", &PatchBuilder::nnz)
      .def("write", &write);
  m.def("spmm", &spmm);
  m.def("spmm_t", &spmm_t);
  m.def("check_csr", [](In<int64_t> indptr, In<int32_t> indices, int64_t columns) {
    return nb::str(check_csr(indptr, indices, columns).c_str());
  });
  m.def("transpose", &transpose);
}

}  // namespace chorus
