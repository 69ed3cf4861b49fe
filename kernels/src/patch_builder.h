// Collects G = W^T B view by view and hands it out as CSR over splats and as its transpose.
#pragma once
#include <vector>

#include "frame_store.h"

namespace chorus {

struct PatchGrid { int rows, cols; bool bilinear; };

class PatchBuilder {
 public:
  PatchBuilder(int64_t rows, PatchGrid grid) : grid_(grid), rows_(rows) {}
  void add_view(const Scene&, const Camera&, int threads);
  int64_t nnz() const;
  // indptr [rows + 1], indices and values [nnz]: columns ascending in each row; total [rows],
  // coverage [views * patches].
  void write(int64_t* indptr, int32_t* indices, float* values, float* total, float* coverage) const;

 private:
  struct Part {              // non-zeros of consecutive rows in one view, row by row
    int64_t first_column;    // of the view
    std::vector<uint32_t> id;
    std::vector<int64_t> start;
    std::vector<int32_t> patch;
    std::vector<float> value;
  };
  int64_t columns() const { return views_ * grid_.rows * grid_.cols; }
  PatchGrid grid_;
  int64_t rows_;
  FrameStore store_;
  Block radii_, values_;
  int64_t views_ = 0;
  std::vector<Part> parts_;  // view by view, of a view by row
};

}  // namespace chorus
