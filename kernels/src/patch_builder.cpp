#include "patch_builder.h"

#include <algorithm>
#include <cstring>

namespace chorus {

namespace {

// torch.nn.functional.interpolate from `patches` to `pixels` samples, bilinear with align_corners=False. The place
// (pixel + 1/2) patches / pixels - 1/2 is taken apart as the fraction of whole numbers that it is, so that one on a
// patch's center stays there.
PatchSpan bilinear_span(int64_t pixel, int64_t pixels, int64_t patches) {
  const int64_t at = std::max<int64_t>((2 * pixel + 1) * patches - pixels, 0), unit = 2 * pixels;
  const int64_t first = at / unit, second = std::min(first + 1, patches - 1);
  return {(int)first, (int)second, (float)(at % unit) / (float)unit};
}

// The same for mode="nearest". torch rounds before it truncates: whole numbers would not always agree with it.
PatchSpan nearest_span(int pixel, int pixels, int patches) {
  const float scale = (float)patches / (float)pixels;
  const int patch = std::min((int)((float)pixel * scale), patches - 1);
  return {patch, patch, 0.0f};
}

std::vector<PatchSpan> axis_spans(int pixels, int patches, bool bilinear) {
  std::vector<PatchSpan> spans(pixels);
  for (int i = 0; i < pixels; ++i)
    spans[i] = bilinear ? bilinear_span(i, pixels, patches) : nearest_span(i, pixels, patches);
  return spans;
}

int most_touched(const PatchAxis& axis) {  // by a tile
  int most = 1;
  for (int first = 0; first < axis.pixels; first += TILE) most = std::max(most, touched(axis, first, TILE).count);
  return most;
}

struct Merger {                // sums one splat's tiles
  const PatchLayout& layout;
  int grid_cols;
  std::vector<float> dense;

  // Appends the splat's non-zeros in column order.
  void merge(const TileRect& r, const float* slots, std::vector<int32_t>& patch, std::vector<float>& value) {
    const PatchRun rows = touched(layout.y, r.y0 * TILE, (r.y1 - r.y0) * TILE);
    const PatchRun cols = touched(layout.x, r.x0 * TILE, (r.x1 - r.x0) * TILE);
    dense.assign((size_t)rows.count * cols.count, 0.0f);
    for (int y = r.y0; y < r.y1; ++y)
      for (int x = r.x0; x < r.x1; ++x, slots += layout.window) {
        const PatchRun down = touched(layout.y, y * TILE, TILE), across = touched(layout.x, x * TILE, TILE);
        float* at = dense.data() + (size_t)(down.first - rows.first) * cols.count + across.first - cols.first;
        for (int i = 0; i < down.count; ++i)
          for (int j = 0; j < across.count; ++j) at[(size_t)i * cols.count + j] += slots[i * across.count + j];
      }
    for (int i = 0; i < rows.count; ++i)
      for (int j = 0; j < cols.count; ++j) {
        const float v = dense[(size_t)i * cols.count + j];
        if (v == 0.0f) continue;
        patch.push_back((rows.first + i) * grid_cols + cols.first + j);
        value.push_back(v);
      }
  }
};

}  // namespace

void PatchBuilder::add_view(const Scene& scene, const Camera& camera, int threads) {
  int32_t* radii = array_in<int32_t>(radii_, scene.n + 1);
  store_.build(scene, camera, radii, threads);
  const Frame& f = store_.frame;
  const auto along_x = axis_spans(camera.width, grid_.cols, grid_.bilinear);
  const auto along_y = axis_spans(camera.height, grid_.rows, grid_.bilinear);
  const PatchAxis x = {along_x.data(), camera.width}, y = {along_y.data(), camera.height};
  const PatchLayout layout = {x, y, most_touched(x) * most_touched(y)};
  const int64_t* slots = store_.pair_slots();
  float* values = array_in<float>(values_, (size_t)(f.pairs + 1) * layout.window);
  ops().tile_patch_weights(f, layout, slots, values, threads);
  const size_t before = parts_.size();
  parts_.resize(before + threads);
  Guard guard;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int k = 0; k < threads; ++k) guard([&] {
    Part& part = parts_[before + k];
    part.first_column = columns();
    part.start.push_back(0);
    Merger merger = {layout, grid_.cols, {}};
    splats_of_pieces(f, f.pieces * k / threads, f.pieces * (k + 1) / threads, [&](int64_t place) {
      merger.merge(f.rects[place], values + slots[place] * layout.window, part.patch, part.value);
      if ((int64_t)part.patch.size() == part.start.back()) return;
      part.id.push_back(f.splats[place].id);
      part.start.push_back((int64_t)part.patch.size());
    });
  });
  guard.rethrow();
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
