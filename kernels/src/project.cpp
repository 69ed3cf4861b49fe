// EWA projection of splats into one view (gsplat's conventions), L splats at a time.
#include "linear.h"
#include "ops.h"
#include "sh.h"
#include "turn.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

// Image means of L splats in double precision, as a float and what it lacks.
struct Means { vf x, y, x_rest, y_rest; };

typedef double vd __attribute__((vector_size(8 * L)));

vd wide(vf v) { return __builtin_convertvector(v, vd); }

Means image_means(const Camera& c, const vf* mean) {
  vd world[3] = {wide(mean[0]), wide(mean[1]), wide(mean[2])}, cam[3];
  for (int i = 0; i < 3; ++i)
    cam[i] = (double)c.R[3 * i] * world[0] + (double)c.R[3 * i + 1] * world[1] + (double)c.R[3 * i + 2] * world[2] +
             (double)c.t[i];
  const vd x = (double)c.fx * cam[0] / cam[2] + (double)c.cx, y = (double)c.fy * cam[1] / cam[2] + (double)c.cy;
  Means m;
  m.x = __builtin_convertvector(x, vf);
  m.y = __builtin_convertvector(y, vf);
  m.x_rest = __builtin_convertvector(x - wide(m.x), vf);
  m.y_rest = __builtin_convertvector(y - wide(m.y), vf);
  return m;
}

// Half open range of the tiles that a splat of half width r around m touches; it does touch the image.
inline void tile_range(vf m, vf r, int tiles, vi& first, vi& last) {
  const vf end = set1((float)tiles);
  first = truncated(vmax((m - r) * (1.0f / TILE), vf{}));
  last = truncated(vmin((m + r) * (1.0f / TILE) + 1.0f, end));
}

// Fields of L splats, in the order of Splat, and their tiles.
struct Group { vf field[16]; vi x0, y0, x1, y1; };

// Appends the splats of a group that are in `seen` at place `end`. Each is written, and the next one over it unless it
// is to stay: that costs less than a branch that cannot be foretold.
inline void append(Group& g, uint32_t seen, const Frame& f, Keyed* keys, int64_t& end) {
  const vi low = g.x0 | g.y0 << 16, high = g.x1 | g.y1 << 16, depth = (vi)g.field[12];
  for (int part = 0; part < 16; part += L) turn(g.field + part);
  for (int i = 0; i < L; ++i) {
    for (int part = 0; part < 16; part += L) store(&f.splats[end].mx + part, g.field[part + i]);
    const int32_t rect[2] = {low[i], high[i]};
    memcpy(f.rects + end, rect, sizeof rect);
    keys[end] = {(uint32_t)depth[i], (uint32_t)end};  // positive floats sort like their bits
    end += seen >> i & 1;
  }
}

// Colors of L rows, if the image has three channels.
inline void colors_of(const Scene& s, const Camera& c, const uint32_t* rows, vf* color) {
  if (!s.colors || s.channels != 3) return;
  if (s.sh_degree < 0) {
    for (int j = 0; j < 3; ++j) color[j] = gather(s.colors, 3, j, rows);
  } else {
    sh_forward(s, c, rows, color);
    for (int j = 0; j < 3; ++j) color[j] = vmax(color[j], vf{});
  }
}

// Projects rows [first, first + count), count <= L, and appends the visible ones.
void project_group(const Scene& s, const Frame& f, int64_t first, int count, Keyed* keys, int32_t* radii,
                   int64_t& end) {
  const Camera& c = f.camera;
  uint32_t rows[L];
  vi id;
  for (int i = 0; i < L; ++i) id[i] = (int32_t)(rows[i] = (uint32_t)(first + (i < count ? i : count - 1)));
  vf mean[3], quat[4], scale[3];
  for (int j = 0; j < 3; ++j) mean[j] = gather(s.means, 3, j, rows);
  for (int j = 0; j < 4; ++j) quat[j] = gather(s.quats, 4, j, rows);
  for (int j = 0; j < 3; ++j) scale[j] = gather(s.scales, 3, j, rows);
  const vf opacity = gather(s.opacities, 1, 0, rows);
  const Projected p = project_lanes(c, mean, quat, scale);
  const Means m = image_means(c, mean);
  // U of the Splat: Cholesky factor of the inverse covariance, in closed form and without differences.
  const vf sd_x = vsqrt(p.xx), sd_y = vsqrt(p.yy);
  const vf u11 = vsqrt(p.yy / p.det) * UNIT, u12 = -(p.xy / p.yy) * u11, u22 = UNIT / sd_y;
  const vf log2_opacity = vlog2(opacity), budget = log2_opacity + LOG2_255;
  const vf reach = vsqrt(vmax(budget, vf{})) * (1.0f / UNIT);  // in standard deviations; at most 3.33
  const vf rx = vceil(reach * sd_x), ry = vceil(reach * sd_y);

  vm seen = both(mask_from(FULL >> (L - count)), ge(opacity, set1(ALPHA_MIN)));
  seen = both(seen, both(ge(p.pz, set1(c.near_plane)), ge(set1(c.far_plane), p.pz)));
  seen = both(seen, both(gt(m.x + rx, vf{}), gt(set1((float)c.width), m.x - rx)));
  seen = both(seen, both(gt(m.y + ry, vf{}), gt(set1((float)c.height), m.y - ry)));
  seen = both(seen, both(gt(u11, vf{}), gt(u22, vf{})));  // covariance overflowed or was not a number
  seen = both(seen, both(gt(set1(1e9f), rx), gt(set1(1e9f), ry)));
  const vi radius = truncated(keep(seen, vmax(vmax(rx, ry), set1(1.0f))));
  memcpy(radii + first, &radius, count * sizeof(int32_t));
  if (!bits(seen)) return;

  Group g;
  tile_range(m.x, rx, f.tiles_x, g.x0, g.x1);
  tile_range(m.y, ry, f.tiles_y, g.y0, g.y1);
  vf color[3] = {};
  colors_of(s, c, rows, color);
  const vf dy_of_dx = -u11 * u12 / (u12 * u12 + u22 * u22), dx_of_dy = p.xy / p.yy;
  const vf field[16] = {m.x, m.y, u11, u12, u22, log2_opacity, dy_of_dx, dx_of_dy,
                        budget, color[0], color[1], color[2], p.pz, (vf)id, m.x_rest, m.y_rest};
  memcpy(g.field, field, sizeof field);
  append(g, bits(seen), f, keys, end);
}

}  // namespace

// Fills f.count, f.splats, f.rects, keys (at the same places) and radii (of every row, pixels, 0 where not visible).
// Pieces are dealt out in turn: a scene in spatial order has runs out of sight.
void project(const Scene& s, const Frame& f, Keyed* keys, int32_t* radii, int threads) {
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
  for (int64_t piece = 0; piece < f.pieces; ++piece) {
    const int64_t start = piece * PIECE, stop = start + PIECE < s.n ? start + PIECE : s.n;
    int64_t end = start;
    for (int64_t first = start; first < stop; first += L)
      project_group(s, f, first, (int)(stop - first < L ? stop - first : L), keys, radii, end);
    f.count[piece] = (int32_t)(end - start);
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

// Index of the first array that holds a NaN or an infinity, or -1. All in one go: threads are not woken for each.
int first_not_finite(const Numbers* arrays, int count, int threads) {
  constexpr int64_t SHARE = 1 << 14;
  int first = count;
#pragma omp parallel num_threads(threads) reduction(min : first) if (threads > 1)
  for (int k = 0; k < count; ++k) {
    const Numbers& a = arrays[k];
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < a.n; i += SHARE)
      if (!finite_piece(a.data + i, a.n - i < SHARE ? a.n - i : SHARE)) first = first < k ? first : k;
  }
  return first < count ? first : -1;
}

}  // namespace CHORUS_ISA
}  // namespace chorus
