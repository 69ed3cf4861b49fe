// EWA projection of splats into one view (gsplat's conventions), L splats at a time.
#include "linear.h"
#include "ops.h"
#include "sh.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

struct Lanes { float v[16][L]; };

// Image means of L splats in double precision, as a float and what it lacks.
struct Means { vf x, y, x_rest, y_rest; };

typedef double vd __attribute__((vector_size(8 * L)));

vd wide(vf v) { return __builtin_convertvector(v, vd); }

Means image_means(const Camera& c, const vf* mean) {
  vd world[3] = {wide(mean[0]), wide(mean[1]), wide(mean[2])}, cam[3];
  for (int i = 0; i < 3; ++i)
    cam[i] = (double)c.R[3 * i] * world[0] + (double)c.R[3 * i + 1] * world[1] + (double)c.R[3 * i + 2] * world[2] + (double)c.t[i];
  const vd x = (double)c.fx * cam[0] / cam[2] + (double)c.cx, y = (double)c.fy * cam[1] / cam[2] + (double)c.cy;
  Means m;
  m.x = __builtin_convertvector(x, vf);
  m.y = __builtin_convertvector(y, vf);
  m.x_rest = __builtin_convertvector(x - wide(m.x), vf);
  m.y_rest = __builtin_convertvector(y - wide(m.y), vf);
  return m;
}

// Integer tile range that a splat's box of half width r around m can touch, clamped to the image.
inline void tile_range(float m, float r, int tiles, uint16_t& lo, uint16_t& hi) {
  float a = (m - r) * (1.0f / TILE), b = (m + r) * (1.0f / TILE);
  int first = a <= 0 ? 0 : (int)a, last = b >= tiles ? tiles : (int)b + 1;
  lo = (uint16_t)(first < tiles ? first : tiles);
  hi = (uint16_t)(last > first ? (last < tiles ? last : tiles) : first);
}

// Projects rows [first, first + count), count <= L.
void project_group(const Scene& s, const Camera& c, int64_t first, int count, int tiles_x, int tiles_y, Splat* splats,
                   TileRect* rects, int32_t* radii) {
  uint32_t rows[L];
  for (int i = 0; i < L; ++i) rows[i] = (uint32_t)(first + (i < count ? i : count - 1));
  vf mean[3], quat[4], scale[3];
  for (int j = 0; j < 3; ++j) mean[j] = gather(s.means, 3, j, rows);
  for (int j = 0; j < 4; ++j) quat[j] = gather(s.quats, 4, j, rows);
  for (int j = 0; j < 3; ++j) scale[j] = gather(s.scales, 3, j, rows);
  Projected p = project_lanes(c, mean, quat, scale);
  // U of the Splat: Cholesky factor of the inverse covariance, in closed form and without differences.
  vf inv_sd_y = 1.0f / vsqrt(p.yy);
  vf u11 = vsqrt(p.yy / p.det) * UNIT;
  vf u12 = -(p.xy / p.yy) * u11;
  vf u22 = inv_sd_y * UNIT;
  vf dx_of_dy = p.xy / p.yy;                          // dx that minimises for fixed dy
  vf dy_of_dx = -u11 * u12 / (u12 * u12 + u22 * u22);  // dy that minimises for fixed dx
  vf sd_x = vsqrt(p.xx), sd_y = vsqrt(p.yy);
  Lanes o;
  const Means m = image_means(c, mean);
  store(o.v[0], m.x); store(o.v[1], m.y); store(o.v[10], m.x_rest); store(o.v[11], m.y_rest);
  store(o.v[2], u11); store(o.v[3], u12); store(o.v[4], u22);
  store(o.v[5], dy_of_dx); store(o.v[6], dx_of_dy); store(o.v[7], p.pz); store(o.v[8], sd_x); store(o.v[9], sd_y);
  for (int i = 0; i < count; ++i) {
    const int64_t row = first + i;
    radii[row] = 0;
    const float z = o.v[7][i], opacity = s.opacities[row];
    if (!(z >= c.near_plane && z <= c.far_plane && opacity >= ALPHA_MIN)) continue;
    const float lo = __builtin_log2f(opacity), budget = lo + LOG2_255;
    const float reach = __builtin_sqrtf(budget > 0 ? budget : 0.0f) * (1.0f / UNIT);  // in standard deviations; at most 3.33
    const float rx = __builtin_ceilf(reach * o.v[8][i]), ry = __builtin_ceilf(reach * o.v[9][i]);
    const float mx = o.v[0][i], my = o.v[1][i];
    if (!(mx + rx > 0 && mx - rx < c.width && my + ry > 0 && my - ry < c.height)) continue;
    if (!(o.v[2][i] > 0 && o.v[4][i] > 0 && rx < 1e9f && ry < 1e9f)) continue;  // covariance overflowed or was not a number
    TileRect rect;
    tile_range(mx, rx, tiles_x, rect.x0, rect.x1);
    tile_range(my, ry, tiles_y, rect.y0, rect.y1);
    if (rect.x0 >= rect.x1 || rect.y0 >= rect.y1) continue;
    Splat& g = splats[row];
    g.mx = mx; g.my = my; g.u11 = o.v[2][i]; g.u12 = o.v[3][i]; g.u22 = o.v[4][i];
    g.log2_opacity = lo; g.budget = budget;
    g.dy_of_dx = o.v[5][i]; g.dx_of_dy = o.v[6][i];
    g.z = z; g.r = g.g = g.b = 0.0f; g.id = (uint32_t)row; g.mx_rest = o.v[10][i]; g.my_rest = o.v[11][i];
    rects[row] = rect;
    radii[row] = (int32_t)(rx > ry ? rx : ry) + (rx <= 0 && ry <= 0);
  }
}

}  // namespace

void project(const Scene& s, const Camera& c, int tiles_x, int tiles_y, Splat* splats, TileRect* rects, int32_t* radii,
             int threads) {
  const int64_t groups = (s.n + L - 1) / L;
#pragma omp parallel for schedule(static, 64) num_threads(threads) if (threads > 1)  // a scene in spatial order has runs out of sight
  for (int64_t k = 0; k < groups; ++k) {
    const int64_t first = k * L, left = s.n - first;
    project_group(s, c, first, (int)(left < L ? left : L), tiles_x, tiles_y, splats, rects, radii);
  }
}

void color_splats(const Scene& s, const Camera& c, Splat* splats, int64_t n, int threads) {
  if (!s.colors) return;
  if (s.sh_degree < 0) {
    const int channels = s.channels < 3 ? s.channels : 3;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < n; ++i) {
      const float* from = s.colors + (int64_t)splats[i].id * s.channels;
      float* to = &splats[i].r;
      for (int j = 0; j < channels; ++j) to[j] = from[j];
    }
    return;
  }
  const int64_t groups = (n + L - 1) / L;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t k = 0; k < groups; ++k) {
    const int64_t first = k * L;
    const int count = (int)(n - first < L ? n - first : L);
    uint32_t rows[L];
    for (int i = 0; i < L; ++i) rows[i] = splats[first + (i < count ? i : count - 1)].id;
    vf color[3];
    sh_forward(s, c, rows, color);
    float lanes[3][L];
    for (int j = 0; j < 3; ++j) store(lanes[j], vmax(color[j], vf{}));
    for (int i = 0; i < count; ++i) {
      Splat& g = splats[first + i];
      g.r = lanes[0][i]; g.g = lanes[1][i]; g.b = lanes[2][i];
    }
  }
}

namespace {

// x - x is 0 for finite x and not a number otherwise, and sums keep it.
bool finite_piece(const float* x, int64_t n) {
  vf acc[4] = {};
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (int j = 0; j < 4; ++j) { vf v = load(x + i + j * L); acc[j] += v - v; }
  float tail = hsum(acc[0] + acc[1] + acc[2] + acc[3]);
  for (; i < n; ++i) tail += x[i] - x[i];
  return tail == 0.0f;
}

}  // namespace

bool all_finite(const float* x, int64_t n, int threads) {
  constexpr int64_t PIECE = 1 << 14;
  const int64_t pieces = (n + PIECE - 1) / PIECE;
  int wrong = 0;
#pragma omp parallel for schedule(static) reduction(+ : wrong) num_threads(threads) if (threads > 1 && pieces > 2)
  for (int64_t k = 0; k < pieces; ++k) wrong += !finite_piece(x + k * PIECE, n - k * PIECE < PIECE ? n - k * PIECE : PIECE);
  return !wrong;
}

}  // namespace CHORUS_ISA
}  // namespace chorus
