// The table of hot functions that each build exports; dispatch.cpp picks one table when the module is imported.
#pragma once
#include "frame.h"
#include "patch_axis.h"

namespace chorus {

struct Numbers { const char* name; const float* data; int64_t n; };

struct BlendOutput {             // one view; float32, contiguous
  float *colors, *depths, *alphas;   // [H, W, C], [H, W], [H, W]
  const float* background;       // [C] or null
};
struct BlendGradient {           // of the loss with respect to BlendOutput; null means zero
  const float *colors, *depths, *alphas;
};

struct SpmmInput {
  const int64_t* indptr;         // [rows + 1]
  const int32_t* indices;
  const float* values;
  int64_t rows, columns;
  const void* dense;             // float32, or float16 bits when half: [columns, channels], for spmm_t [rows, channels]
  bool half;
  int64_t channels;
};

struct PatchLayout {             // of an image's patches
  PatchAxis x, y;
  int window;                    // the most patches that a tile touches
};

struct CurveOrder { bool hilbert, swap_xy; int depth; };  // depth: bits per axis

struct CodedRows {               // a chunk of rows: unpacked bytes of its codes, run by run
  const uint8_t* data;           // count low bytes, then wide high bytes
  int64_t count, wide;
  const int32_t* order;          // [runs] level * axes + axis
  int64_t runs, axes, rows;      // rows: 2^(levels - 1)
  int64_t levels;
  const float* scales;           // [levels]
};

struct Segments { const int64_t* indptr; int64_t count; int64_t channels; };

struct AttentionInput {          // rows of qkv that attend together, window by window
  const float* qkv;              // [rows][3][heads][16]
  const int64_t* rows;           // [windows][size]
  const uint8_t* unread;         // [windows][size], not zero where a row is answered elsewhere; or null
  const int64_t* keys;           // [windows] rows of a window that are there, the first so many; or null, all
  int64_t windows, size, heads;
};

struct AttentionGradient {
  const float *out, *logsum, *grad;  // what forward gave, and the loss's gradient of out
  const int64_t* beside;         // [windows][size] place in extra of the keys and values of a row read elsewhere
  float *qkv, *extra;            // [rows][3][heads][16], and [places][2][heads][16]
};

struct SsimShape { int64_t batch, height, width, channels; int window; const float* kernel; };

#define CHORUS_OPS(X)                                                                                               \
  X(void, project, (const Scene&, const Frame&, Keyed* keys, int32_t* radii, int threads))                          \
  X(double, fma_chains, (int64_t rounds))                                                                           \
  X(int, first_not_finite, (const Numbers* arrays, int count, int threads))                                         \
  X(void, blend, (const Frame&, const BlendOutput&, int threads))                                                   \
  X(void, blend_backward,                                                                                           \
    (const Frame&, const BlendOutput&, const BlendGradient&, float* sums, bool absolute, const int64_t* slots,      \
     int threads))                                                                                                  \
  X(void, project_backward, (const Frame&, const Scene&, const float* sums, const Gradients&, int threads))         \
  X(void, blend_features, (const Frame&, const Scene&, const BlendOutput&, int threads))                            \
  X(void, blend_features_backward,                                                                                  \
    (const Frame&, const Scene&, const BlendOutput&, const BlendGradient&, float* color_grads, float* sums,         \
     bool absolute, const int64_t* slots, int threads))                                                             \
  X(void, tile_patch_weights,                                                                                       \
    (const Frame&, const PatchLayout&, const int64_t* slots, float* values, int threads))                           \
  X(void, spmm, (const SpmmInput&, float* out, int threads))                                                        \
  X(void, spmm_t, (const SpmmInput&, float* out, int threads))                                                      \
  X(int64_t, padded_channels, (int64_t channels))                                                                   \
  X(void, conv_forward,                                                                                             \
    (const float* feat, int64_t n, int cin, int cout, const float* packed, const int32_t* table, const float* bias, \
     float* out, int threads))                                                                                      \
  X(void, conv_weight_gradient,                                                                                     \
    (const float* feat, const float* grad, int64_t n, int cin, int cout, const int32_t* table, float* packed_grad,  \
     int threads))                                                                                                  \
  X(void, curve_codes,                                                                                              \
    (const int32_t* grid, const int64_t* batch, int64_t n, const CurveOrder&, int64_t* codes, int threads))         \
  X(void, decode_rows, (const CodedRows&, float* out, int threads))                                                 \
  X(void, segment_max, (const float* x, const Segments&, float* out, int64_t* argmax, int threads))                 \
  X(void, segment_sum, (const float* x, const Segments&, bool mean, float* out, int threads))                       \
  X(void, segment_spread, (const float* grad, const Segments&, bool mean, float* out, int threads))                 \
  X(void, attention, (const AttentionInput&, float* out, float* logsum, int threads))                               \
  X(void, attention_backward, (const AttentionInput&, const AttentionGradient&, int threads))                       \
  X(double, ssim_forward,                                                                                           \
    (const float* a, const float* b, const SsimShape&, float* partials, double* row_sums, int threads))             \
  X(void, ssim_backward,                                                                                            \
    (const float* a, const float* b, const SsimShape&, const float* partials, float scale, float* grad, int threads))

struct Ops {
  const char* name;
#define CHORUS_FIELD(ret, name, args) ret (*name) args;
  CHORUS_OPS(CHORUS_FIELD)
#undef CHORUS_FIELD
};

const Ops& ops();  // the chosen table

#ifdef CHORUS_ISA
namespace CHORUS_ISA {
#define CHORUS_DECLARE(ret, name, args) ret name args;
CHORUS_OPS(CHORUS_DECLARE)
#undef CHORUS_DECLARE
}  // namespace CHORUS_ISA
#endif

}  // namespace chorus
