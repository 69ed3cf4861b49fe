#include "patch_builder.h"

#include <cstring>
#include <stdexcept>

#include "patch_window.h"

namespace chorus {

namespace {

struct Windows {               // of every tile
  int stride = 1;              // the largest
  std::vector<PatchWindow> of;

  Windows(const Frame& f, PatchGrid grid) {
    for (int y = 0; y < f.tiles_y; ++y)
      for (int x = 0; x < f.tiles_x; ++x) {
        of.push_back(patch_window(f, grid, x, y));
        stride = std::max(stride, of.back().rows * of.back().cols);
      }
  }
};

struct Merger {                // sums the windows of one splat's tiles
  const Frame& f;
  const Windows& windows;
  int grid_cols;
  std::vector<float> dense;

  // Appends the splat's non-zeros in column order.
  void merge(const TileRect& r, const float* slots, std::vector<int32_t>& patch, std::vector<float>& value) {
    const PatchWindow &a = windows.of[r.y0 * f.tiles_x + r.x0], &b = windows.of[(r.y1 - 1) * f.tiles_x + r.x1 - 1];
    const int row0 = a.row0, col0 = a.col0, rows = b.row0 + b.rows - row0, cols = b.col0 + b.cols - col0;
    dense.assign((size_t)rows * cols, 0.0f);
    for (int y = r.y0; y < r.y1; ++y)
      for (int x = r.x0; x < r.x1; ++x, slots += windows.stride) {
        const PatchWindow& w = windows.of[y * f.tiles_x + x];
        float* at = dense.data() + (size_t)(w.row0 - row0) * cols + w.col0 - col0;
        for (int i = 0; i < w.rows; ++i)
          for (int j = 0; j < w.cols; ++j) at[(size_t)i * cols + j] += slots[i * w.cols + j];
      }
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < cols; ++j) {
        const float v = dense[(size_t)i * cols + j];
        if (v == 0.0f) continue;
        patch.push_back((row0 + i) * grid_cols + col0 + j);
        value.push_back(v);
      }
  }
};

}  // namespace

void PatchBuilder::add_view(const Scene& scene, const Camera& camera, int threads) {
  int32_t* radii = array_in<int32_t>(radii_, scene.n + 1);
  store_.build(scene, camera, radii, threads);
  const Frame& f = store_.frame;
  const Windows windows(f, grid_);
  const int64_t* slots = store_.pair_slots();
  float* values = array_in<float>(values_, (size_t)(f.pairs + 1) * windows.stride);
  ops().tile_patch_weights(f, grid_, windows.stride, slots, values, threads);
  const size_t before = parts_.size();
  parts_.resize(before + threads);
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int k = 0; k < threads; ++k) {
    Part& part = parts_[before + k];
    part.first_column = columns();
    part.start.push_back(0);
    Merger merger = {f, windows, grid_.cols, {}};
    splats_of_pieces(f, f.pieces * k / threads, f.pieces * (k + 1) / threads, [&](int64_t place) {
      merger.merge(f.rects[place], values + slots[place] * windows.stride, part.patch, part.value);
      if ((int64_t)part.patch.size() == part.start.back()) return;
      part.id.push_back(f.splats[place].id);
      part.start.push_back((int64_t)part.patch.size());
    });
  }
  ++views_;
}

int64_t PatchBuilder::nnz() const {
  int64_t n = 0;
  for (const Part& p : parts_) n += (int64_t)p.patch.size();
  return n;
}

void PatchBuilder::write(int64_t* indptr, int32_t* indices, float* values, float* total, float* coverage) const {
  std::memset(indptr, 0, sizeof(int64_t) * (rows_ + 1));
  for (const Part& p : parts_)
    for (size_t k = 0; k < p.id.size(); ++k) indptr[p.id[k] + 1] += p.start[k + 1] - p.start[k];
  for (int64_t i = 0; i < rows_; ++i) indptr[i + 1] += indptr[i];
  std::vector<int64_t> cursor(indptr, indptr + rows_);
  std::vector<double> row(rows_, 0.0), column(columns(), 0.0);
  for (const Part& p : parts_)
    for (size_t k = 0; k < p.id.size(); ++k) {
      int64_t& at = cursor[p.id[k]];
      for (int64_t i = p.start[k]; i < p.start[k + 1]; ++i, ++at) {
        const int64_t patch = p.first_column + p.patch[i];
        indices[at] = (int32_t)patch;
        values[at] = p.value[i];
        row[p.id[k]] += p.value[i];
        column[patch] += p.value[i];
      }
    }
  for (int64_t i = 0; i < rows_; ++i) total[i] = (float)row[i];
  for (int64_t i = 0; i < columns(); ++i) coverage[i] = (float)column[i];
}

}  // namespace chorus
