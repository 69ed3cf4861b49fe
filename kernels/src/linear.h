// The few pieces of 3D algebra that projection and its gradient share, on vectors of splats.
#pragma once
#include "frame.h"
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

struct Rotation { vf m[9]; vf w, x, y, z, inv_norm; };

// Rotation matrix of a quaternion (w, x, y, z) of any non-zero length.
static inline Rotation rotation_of(vf w, vf x, vf y, vf z) {
  Rotation r;
  r.inv_norm = 1.0f / vsqrt(w * w + x * x + y * y + z * z);
  w *= r.inv_norm; x *= r.inv_norm; y *= r.inv_norm; z *= r.inv_norm;
  r.w = w; r.x = x; r.y = y; r.z = z;
  r.m[0] = 1.0f - 2.0f * (y * y + z * z); r.m[1] = 2.0f * (x * y - w * z); r.m[2] = 2.0f * (x * z + w * y);
  r.m[3] = 2.0f * (x * y + w * z); r.m[4] = 1.0f - 2.0f * (x * x + z * z); r.m[5] = 2.0f * (y * z - w * x);
  r.m[6] = 2.0f * (x * z - w * y); r.m[7] = 2.0f * (y * z + w * x); r.m[8] = 1.0f - 2.0f * (x * x + y * y);
  return r;
}

// What projection makes of L splats. Shared by forward and backward so that both see the same numbers.
struct Projected {
  vf px, py, pz;            // camera space
  vf tx, ty;                // px, py after the clamp of the Jacobian's point to 1.3 times the view (gsplat)
  vf free_x, free_y;        // 1 where that clamp did nothing, else 0
  vf rz;
  Rotation rot;
  vf J00, J02, J11, J12;    // of the perspective map at (tx, ty, pz)
  vf P[6];                  // J * R_camera, 2 x 3
  vf Q[6];                  // P * R(q), 2 x 3
  vf M[6];                  // Q * diag(scale)
  vf xx, xy, yy;            // image covariance with the blur eps2d
  vf det;
  vf mx, my;
};

static inline Projected project_lanes(const Camera& c, const vf* mean, const vf* quat, const vf* scale) {
  Projected o;
  o.px = c.R[0] * mean[0] + c.R[1] * mean[1] + c.R[2] * mean[2] + c.t[0];
  o.py = c.R[3] * mean[0] + c.R[4] * mean[1] + c.R[5] * mean[2] + c.t[1];
  o.pz = c.R[6] * mean[0] + c.R[7] * mean[1] + c.R[8] * mean[2] + c.t[2];
  o.rz = 1.0f / o.pz;
  vf ax = o.px * o.rz, ay = o.py * o.rz;
  const float mgx = 0.15f * c.width / c.fx, mgy = 0.15f * c.height / c.fy;  // 0.3 * tan(half the field of view)
  vf left = set1(-c.cx / c.fx - mgx), right = set1((c.width - c.cx) / c.fx + mgx);
  vf top = set1(-c.cy / c.fy - mgy), bottom = set1((c.height - c.cy) / c.fy + mgy);
  o.tx = o.pz * vmin(right, vmax(left, ax));
  o.ty = o.pz * vmin(bottom, vmax(top, ay));
  o.free_x = keep(both(ge(ax, left), ge(right, ax)), set1(1.0f));
  o.free_y = keep(both(ge(ay, top), ge(bottom, ay)), set1(1.0f));
  o.mx = c.fx * ax + c.cx;
  o.my = c.fy * ay + c.cy;
  vf rz2 = o.rz * o.rz;
  o.J00 = c.fx * o.rz; o.J02 = -c.fx * o.tx * rz2;
  o.J11 = c.fy * o.rz; o.J12 = -c.fy * o.ty * rz2;
  for (int j = 0; j < 3; ++j) {
    o.P[j] = o.J00 * c.R[j] + o.J02 * c.R[6 + j];
    o.P[3 + j] = o.J11 * c.R[3 + j] + o.J12 * c.R[6 + j];
  }
  o.rot = rotation_of(quat[0], quat[1], quat[2], quat[3]);
  for (int r = 0; r < 2; ++r)
    for (int j = 0; j < 3; ++j) {
      o.Q[3 * r + j] = o.P[3 * r] * o.rot.m[j] + o.P[3 * r + 1] * o.rot.m[3 + j] + o.P[3 * r + 2] * o.rot.m[6 + j];
      o.M[3 * r + j] = o.Q[3 * r + j] * scale[j];
    }
  const vf* M = o.M;
  vf xx = M[0] * M[0] + M[1] * M[1] + M[2] * M[2];
  vf yy = M[3] * M[3] + M[4] * M[4] + M[5] * M[5];
  o.xy = M[0] * M[3] + M[1] * M[4] + M[2] * M[5];
  // det(M M^T + e I) = sum of the squared 2x2 minors of M (Cauchy-Binet) + e trace + e^2: nothing large cancels.
  vf c0 = M[1] * M[5] - M[2] * M[4], c1 = M[2] * M[3] - M[0] * M[5], c2 = M[0] * M[4] - M[1] * M[3];
  o.det = c0 * c0 + c1 * c1 + c2 * c2 + c.eps2d * (xx + yy) + c.eps2d * c.eps2d;
  o.xx = xx + c.eps2d;
  o.yy = yy + c.eps2d;
  return o;
}

// Column j of L rows of a row-major [n, width] array, rows given by index.
static inline vf gather(const float* base, int64_t width, int j, const uint32_t* rows) {
  float lanes[L];
  for (int i = 0; i < L; ++i) lanes[i] = base[rows[i] * width + j];
  return load(lanes);
}

}  // namespace CHORUS_ISA
}  // namespace chorus
