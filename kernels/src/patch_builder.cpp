#include "patch_builder.h"

#include <cstring>
#include <stdexcept>

#include "patch_window.h"

namespace chorus {

namespace {

struct Merger {                // sums the windows of one splat's tiles
  const Frame& f;
  PatchGrid grid;
  int stride;
  std::vector<PatchWindow> windows;   // of every tile
  std::vector<float> dense;

  Merger(const Frame& frame, PatchGrid g) : f(frame), grid(g), stride(1) {
    for (int y = 0; y < f.tiles_y; ++y)
      for (int x = 0; x < f.tiles_x; ++x) {
        windows.push_back(patch_window(f, g, x, y));
        stride = std::max(stride, windows.back().rows * windows.back().cols);
      }
  }

  // Appends the splat's non-zeros in column order.
  void merge(const TileRect& r, const float* slots, std::vector<int32_t>& patch, std::vector<float>& value) {
    const PatchWindow &a = windows[r.y0 * f.tiles_x + r.x0], &b = windows[(r.y1 - 1) * f.tiles_x + r.x1 - 1];
    const int row0 = a.row0, col0 = a.col0, rows = b.row0 + b.rows - row0, cols = b.col0 + b.cols - col0;
    dense.assign((size_t)rows * cols, 0.0f);
    for (int y = r.y0; y < r.y1; ++y)
      for (int x = r.x0; x < r.x1; ++x, slots += stride) {
        const PatchWindow& w = windows[y * f.tiles_x + x];
        float* at = dense.data() + (size_t)(w.row0 - row0) * cols + w.col0 - col0;
        for (int i = 0; i < w.rows; ++i)
          for (int j = 0; j < w.cols; ++j) at[(size_t)i * cols + j] += slots[i * w.cols + j];
      }
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < cols; ++j) {
        const float v = dense[(size_t)i * cols + j];
        if (v == 0.0f) continue;
        patch.push_back((row0 + i) * grid.cols + col0 + j);
        value.push_back(v);
      }
  }
};

}  // namespace

void PatchBuilder::add_view(const Scene& scene, const Camera& camera, int threads) {
  int32_t* radii = array_in<int32_t>(radii_, scene.n + 1);
  store_.build(scene, camera, radii, threads);
  const Frame& f = store_.frame;
  Merger merger(f, grid_);
  const int64_t* slots = store_.pair_slots();
  float* values = array_in<float>(values_, (size_t)(f.pairs + 1) * merger.stride);
  ops().tile_patch_weights(f, grid_, merger.stride, slots, values, threads);
  views_.emplace_back();
  View& view = views_.back();
  view.start.push_back(0);
  each_splat(f, 1, [&](int64_t place) {
    merger.merge(f.rects[place], values + slots[place] * merger.stride, view.patch, view.value);
    if ((int64_t)view.patch.size() == view.start.back()) return;
    view.id.push_back(f.splats[place].id);
    view.start.push_back((int64_t)view.patch.size());
  });
}

int64_t PatchBuilder::nnz() const {
  int64_t n = 0;
  for (const View& v : views_) n += (int64_t)v.patch.size();
  return n;
}

void PatchBuilder::write(int64_t* indptr, int32_t* indices, float* values, float* total, float* coverage) const {
  std::memset(indptr, 0, sizeof(int64_t) * (rows_ + 1));
  for (const View& v : views_)
    for (size_t k = 0; k < v.id.size(); ++k) indptr[v.id[k] + 1] += v.start[k + 1] - v.start[k];
  for (int64_t i = 0; i < rows_; ++i) indptr[i + 1] += indptr[i];
  std::vector<int64_t> cursor(indptr, indptr + rows_);
  std::vector<double> row(rows_, 0.0), column(columns(), 0.0);
  int64_t base = 0;
  for (const View& v : views_) {
    for (size_t k = 0; k < v.id.size(); ++k) {
      int64_t& at = cursor[v.id[k]];
      for (int64_t p = v.start[k]; p < v.start[k + 1]; ++p, ++at) {
        indices[at] = (int32_t)(base + v.patch[p]);
        values[at] = v.value[p];
        row[v.id[k]] += v.value[p];
        column[base + v.patch[p]] += v.value[p];
      }
    }
    base += (int64_t)grid_.rows * grid_.cols;
  }
  for (int64_t i = 0; i < rows_; ++i) total[i] = (float)row[i];
  for (int64_t i = 0; i < columns(); ++i) coverage[i] = (float)column[i];
}

}  // namespace chorus
