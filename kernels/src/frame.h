// Plain data passed between the files: what one view of one scene looks like after projection. No code in here, so that
// it means the same in every build of the hot files.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chorus {

constexpr int TILE = 16;                     // pixels a side, as in gsplat
constexpr float ALPHA_MIN = 1.0f / 255.0f;   // fainter than this is skipped
constexpr float ALPHA_MAX = 0.999f;          // and no splat is more opaque than this
constexpr float T_MIN = 1e-4f;               // a splat that would bring the transmittance this low ends the pixel
constexpr float LOG2_255 = 7.99435343685885784f;
// sqrt(log2(e) / 2): exp(-(u^2 + w^2) / 2) = 2^-((UNIT u)^2 + (UNIT w)^2)
constexpr float UNIT = 0.849321800288018847f;

struct Camera {
  float R[9], t[3];      // cam_from_world, row major
  float fx, fy, cx, cy;  // pixels
  float eye[3];          // camera center in the world
  int width, height;
  float near_plane, far_plane, eps2d;
};

struct Scene {           // all row major, contiguous, float32
  int64_t n;
  const float *means, *quats, *scales, *opacities;
  const float* colors;   // [n, channels], or [n, sh_bases, 3] when sh_degree >= 0; may be null
  int channels;          // of the image: 3 with spherical harmonics
  int sh_degree, sh_bases;
};

// One projected splat. With d = pixel - mean and (u, w) = U d for the upper triangular U whose U^T U is
// UNIT^2 inverse(covariance):
//   log2 alpha = log2_opacity - u^2 - w^2.
// A sum of squares instead of the usual a dx^2 + 2 b dx dy + c dy^2: needles do not cancel, and it is never negative.
struct alignas(64) Splat {
  float mx, my;          // pixels; in a tile's own list, relative to the center of its first pixel
  float u11, u12, u22;   // U
  float log2_opacity;
  // The point of smallest u^2 + w^2 on a line x = dx, or y = dy, relative to the mean, per unit.
  float dy_of_dx, dx_of_dy;
  float budget;          // u^2 + w^2 may not exceed this: log2(255 opacity)
  float r, g, b, z;      // color (first three channels) and depth
  uint32_t id;           // row in the scene
  // What rounding took from mx, my: half a unit of mx = 200 is 8e-6 pixels, and the weights would show it.
  float mx_rest, my_rest;
};

struct TileRect { uint16_t x0, y0, x1, y1; };  // half open, in tiles

struct Keyed { uint32_t key, index; };

// One view after projection. The visible splats of every PIECE rows of the scene lie side by side from where those rows
// begin, in their order: no copy brings them together, and the places between the pieces are never touched.
constexpr int PIECE = 512;
struct Frame {
  Camera camera;
  int64_t scene_rows;
  int64_t n;             // visible splats
  int64_t pieces;
  int32_t* count;        // [pieces] visible splats
  Splat* splats;         // [scene_rows] places, of which count[piece] are filled in every piece; so too:
  TileRect* rects;
  int tiles_x, tiles_y;
  int64_t pairs;
  int64_t* tile_start;   // [tiles + 1]
  uint32_t* entries;     // [pairs] places, in every tile by depth (ties by row)
  uint32_t* tile_used;   // [tiles] entries after which every pixel of the tile was done
  uint16_t* reached;     // [pairs] blocks of the tile that the splat reaches, a bit each; filled by a tile's first pass
  // What blend leaves for its backward pass, [tiles][16 blocks][16 pixels]:
  float* transmittance;  // behind the last splat
  int32_t* seen;         // splats of the block's list that the pixel saw: all before the one that ended it
};

// Sums over pixels that the blend's backward pass leaves per splat; v = dLoss / d(log alpha).
enum Sum { S_V, S_U, S_W, S_UU, S_UW, S_WW, S_R, S_G, S_B, S_Z, S_ABS_X, S_ABS_Y, SUMS };
constexpr int SUM_STRIDE = 16;

struct Gradients {       // any may be null; all are added to
  float *means, *quats, *scales, *opacities, *colors;
  float *absgrad;        // [n, 2] sum over pixels of |dLoss / d mean2d|, pixels
  float *mean2d;         // [n, 2] dLoss / d mean2d
};

}  // namespace chorus
