// Real spherical harmonics up to degree 3 in the order and signs of 3D Gaussian splatting:
// color = sum_k coefficient_k basis_k(dir) + 0.5.
#pragma once
#include "linear.h"

namespace chorus {
namespace CHORUS_ISA {

// basis[k] at unit direction (x, y, z); K = (degree + 1)^2.
static inline void sh_basis(int degree, vf x, vf y, vf z, vf* basis) {
  basis[0] = set1(0.28209479177387814f);
  if (degree < 1) return;
  const float c1 = 0.4886025119029199f;
  basis[1] = -c1 * y; basis[2] = c1 * z; basis[3] = -c1 * x;
  if (degree < 2) return;
  vf xx = x * x, yy = y * y, zz = z * z;
  basis[4] = 1.0925484305920792f * x * y;
  basis[5] = -1.0925484305920792f * y * z;
  basis[6] = 0.31539156525252005f * (2.0f * zz - xx - yy);
  basis[7] = -1.0925484305920792f * x * z;
  basis[8] = 0.5462742152960396f * (xx - yy);
  if (degree < 3) return;
  basis[9] = -0.5900435899266435f * y * (3.0f * xx - yy);
  basis[10] = 2.890611442640554f * x * y * z;
  basis[11] = -0.4570457994644658f * y * (4.0f * zz - xx - yy);
  basis[12] = 0.3731763325901154f * z * (2.0f * zz - 3.0f * xx - 3.0f * yy);
  basis[13] = -0.4570457994644658f * x * (4.0f * zz - xx - yy);
  basis[14] = 1.445305721320277f * z * (xx - yy);
  basis[15] = -0.5900435899266435f * x * (xx - 3.0f * yy);
}

// Gradient of sum_k h[k] basis[k] with respect to (x, y, z), taken as independent variables.
static inline void sh_basis_gradient(int degree, vf x, vf y, vf z, const vf* h, vf* d) {
  d[0] = d[1] = d[2] = vf{};
  if (degree < 1) return;
  const float c1 = 0.4886025119029199f;
  d[1] = -c1 * h[1]; d[2] = c1 * h[2]; d[0] = -c1 * h[3];
  if (degree < 2) return;
  const float c2 = 1.0925484305920792f, c20 = 0.31539156525252005f, c22 = 0.5462742152960396f;
  d[0] += c2 * (y * h[4] - z * h[7]) - 2.0f * c20 * x * h[6] + 2.0f * c22 * x * h[8];
  d[1] += c2 * (x * h[4] - z * h[5]) - 2.0f * c20 * y * h[6] - 2.0f * c22 * y * h[8];
  d[2] += -c2 * (y * h[5] + x * h[7]) + 4.0f * c20 * z * h[6];
  if (degree < 3) return;
  const float a = 0.5900435899266435f, b = 2.890611442640554f, e = 0.4570457994644658f, f = 0.3731763325901154f,
              g = 1.445305721320277f;
  vf xx = x * x, yy = y * y, zz = z * z;
  d[0] += -6.0f * a * x * y * h[9] + b * y * z * h[10] + 2.0f * e * x * y * h[11] - 6.0f * f * x * z * h[12] -
          e * (4.0f * zz - 3.0f * xx - yy) * h[13] + 2.0f * g * x * z * h[14] - 3.0f * a * (xx - yy) * h[15];
  d[1] += -3.0f * a * (xx - yy) * h[9] + b * x * z * h[10] - e * (4.0f * zz - xx - 3.0f * yy) * h[11] -
          6.0f * f * y * z * h[12] + 2.0f * e * x * y * h[13] - 2.0f * g * y * z * h[14] + 6.0f * a * x * y * h[15];
  d[2] += b * x * y * h[10] - 8.0f * e * y * z * h[11] + f * (6.0f * zz - 3.0f * xx - 3.0f * yy) * h[12] -
          8.0f * e * x * z * h[13] + g * (xx - yy) * h[14];
}

struct Direction { vf x, y, z, inv_length; };

static inline Direction view_direction(const Scene& s, const Camera& c, const uint32_t* rows) {
  vf x = gather(s.means, 3, 0, rows) - c.eye[0], y = gather(s.means, 3, 1, rows) - c.eye[1],
     z = gather(s.means, 3, 2, rows) - c.eye[2];
  vf inv = 1.0f / vsqrt(vmax(x * x + y * y + z * z, set1(1e-24f)));
  return {x * inv, y * inv, z * inv, inv};
}

// color[3] of L splats before the clamp at zero.
static inline void sh_forward(const Scene& s, const Camera& c, const uint32_t* rows, vf* color) {
  const int bases = (s.sh_degree + 1) * (s.sh_degree + 1);
  Direction d = view_direction(s, c, rows);
  vf basis[16];
  sh_basis(s.sh_degree, d.x, d.y, d.z, basis);
  for (int j = 0; j < 3; ++j) color[j] = set1(0.5f);
  for (int k = 0; k < bases; ++k)
    for (int j = 0; j < 3; ++j) color[j] += basis[k] * gather(s.colors, 3 * s.sh_bases, 3 * k + j, rows);
}

}  // namespace CHORUS_ISA
}  // namespace chorus
