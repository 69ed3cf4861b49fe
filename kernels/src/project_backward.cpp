// From per-splat sums in the image to gradients of the scene's parameters, L splats at a time.
#include "linear.h"
#include "ops.h"
#include "sh.h"
#include "turn.h"

namespace chorus {
namespace CHORUS_ISA {

namespace {

// dL/dR (row major) -> dL/d(unnormalized quaternion).
void quaternion_gradient(const Rotation& r, const vf* d, vf* out) {
  vf w = r.w, x = r.x, y = r.y, z = r.z;
  vf dw = 2.0f * (x * (d[7] - d[5]) + y * (d[2] - d[6]) + z * (d[3] - d[1]));
  vf dx = 2.0f * (-2.0f * x * (d[4] + d[8]) + y * (d[1] + d[3]) + z * (d[2] + d[6]) + w * (d[7] - d[5]));
  vf dy = 2.0f * (x * (d[1] + d[3]) - 2.0f * y * (d[0] + d[8]) + z * (d[5] + d[7]) + w * (d[2] - d[6]));
  vf dz = 2.0f * (x * (d[2] + d[6]) + y * (d[5] + d[7]) - 2.0f * z * (d[0] + d[4]) + w * (d[3] - d[1]));
  vf along = dw * w + dx * x + dy * y + dz * z;  // normalization takes away the part along the quaternion
  out[0] = (dw - along * w) * r.inv_norm;
  out[1] = (dx - along * x) * r.inv_norm;
  out[2] = (dy - along * y) * r.inv_norm;
  out[3] = (dz - along * z) * r.inv_norm;
}

struct ShapeGradient { vf mean[3], quat[4], scale[3]; };

// The factor U of the inverse covariance, U^T U, without UNIT.
struct Whitening { vf u11, u12, u22; };

// U Q. Across a needle U is steep, along it U Q is of order one: the difference between u11 x and u12 y is taken in
// closed form, with the cross product of the rows of Q for its parts.
void whitened_axes(const Camera& c, const Projected& p, const vf* scale, const Whitening& u, vf* first, vf* second) {
  const vf *P = p.P, *R = p.rot.m, *Q = p.Q;
  const vf k[3] = {P[1] * P[5] - P[2] * P[4], P[2] * P[3] - P[0] * P[5], P[0] * P[4] - P[1] * P[3]};
  vf cross[3], w[3];
  for (int j = 0; j < 3; ++j) {
    cross[j] = R[j] * k[0] + R[3 + j] * k[1] + R[6 + j] * k[2];
    w[j] = scale[j] * scale[j] * Q[3 + j];
  }
  for (int j = 0; j < 3; ++j) {
    const int l = (j + 1) % 3, m = (j + 2) % 3;
    first[j] = u.u11 / p.yy * (w[l] * cross[m] - w[m] * cross[l] + c.eps2d * Q[j]);
    second[j] = u.u22 * Q[3 + j];
  }
}

// gm: dL/d(mx, my); a, b, d: dL/d(covariance) = U^T [a b; b d] U; gz: dL/d(depth).
ShapeGradient shape_gradient(const Camera& c, const Projected& p, const vf* scale, const Whitening& u, vf gmx, vf gmy,
                             vf a, vf b, vf d, vf gz) {
  ShapeGradient o;
  vf n[3], m[3], dM[6];
  whitened_axes(c, p, scale, u, n, m);
  for (int j = 0; j < 3; ++j) {
    const vf first = 2.0f * scale[j] * (a * n[j] + b * m[j]), second = 2.0f * scale[j] * (b * n[j] + d * m[j]);
    o.scale[j] = n[j] * first + m[j] * second;
    dM[j] = u.u11 * first;
    dM[3 + j] = u.u12 * first + u.u22 * second;
  }
  const vf* R = p.rot.m;
  vf dR[9], dP[6] = {};
  for (int j = 0; j < 3; ++j) {
    for (int i = 0; i < 3; ++i) {
      vf d = p.P[i] * dM[j] + p.P[3 + i] * dM[3 + j];  // dL / d(R diag(scale))
      dR[3 * i + j] = d * scale[j];
      dP[i] += dM[j] * R[3 * i + j] * scale[j];
      dP[3 + i] += dM[3 + j] * R[3 * i + j] * scale[j];
    }
  }
  quaternion_gradient(p.rot, dR, o.quat);
  vf dJ00 = vf{}, dJ02 = vf{}, dJ11 = vf{}, dJ12 = vf{};
  for (int j = 0; j < 3; ++j) {
    dJ00 += dP[j] * c.R[j]; dJ02 += dP[j] * c.R[6 + j];
    dJ11 += dP[3 + j] * c.R[3 + j]; dJ12 += dP[3 + j] * c.R[6 + j];
  }
  // J00 = fx / z; J02 = -fx tx / z^2, where tx is px, or a constant times pz once the clamp holds.
  vf rz = p.rz, rz2 = rz * rz;
  vf gx = gmx * c.fx * rz, gy = gmy * c.fy * rz;
  vf gtx = -c.fx * rz2 * dJ02, gty = -c.fy * rz2 * dJ12;
  vf dx = gx + p.free_x * gtx;
  vf dy = gy + p.free_y * gty;
  vf dz = gz - (gx * p.px + gy * p.py) * rz - (c.fx * dJ00 + c.fy * dJ11) * rz2 -
          2.0f * rz * (gtx * p.tx + gty * p.ty) +
          ((1.0f - p.free_x) * gtx * p.tx + (1.0f - p.free_y) * gty * p.ty) * rz;
  for (int j = 0; j < 3; ++j) o.mean[j] = c.R[j] * dx + c.R[3 + j] * dy + c.R[6 + j] * dz;
  return o;
}

void scatter_add(float* base, int64_t width, int j, const uint32_t* rows, int count, vf v) {
  if (!base) return;
  float lanes[L];
  store(lanes, v);
  for (int i = 0; i < count; ++i) base[rows[i] * width + j] += lanes[i];
}

// Color gradients to spherical-harmonic coefficients, and through the viewing direction to the means.
void sh_gradient(const Scene& s, const Camera& c, const uint32_t* rows, int count, const vf* gcolor,
                 const Gradients& grads, vf* gmean) {
  const int bases = (s.sh_degree + 1) * (s.sh_degree + 1);
  vf color[3], g[3], basis[16], h[16] = {};
  sh_forward(s, c, rows, color);
  for (int j = 0; j < 3; ++j) g[j] = keep(ge(color[j], vf{}), gcolor[j]);
  Direction d = view_direction(s, c, rows);
  sh_basis(s.sh_degree, d.x, d.y, d.z, basis);
  for (int k = 0; k < bases; ++k) {
    h[k] = vf{};
    for (int j = 0; j < 3; ++j) {
      scatter_add(grads.colors, 3 * s.sh_bases, 3 * k + j, rows, count, basis[k] * g[j]);
      h[k] += g[j] * gather(s.colors, 3 * s.sh_bases, 3 * k + j, rows);
    }
  }
  vf e[3];
  sh_basis_gradient(s.sh_degree, d.x, d.y, d.z, h, e);
  vf along = e[0] * d.x + e[1] * d.y + e[2] * d.z;
  gmean[0] += (e[0] - along * d.x) * d.inv_length;
  gmean[1] += (e[1] - along * d.y) * d.inv_length;
  gmean[2] += (e[2] - along * d.z) * d.inv_length;
}

// The splats at places [first, last), L at most.
void group_backward(const Frame& f, const Scene& s, const float* sums, const Gradients& grads, int64_t first,
                    int64_t last) {
  const int count = (int)(last - first < L ? last - first : L);
  uint32_t rows[L];
  for (int i = 0; i < L; ++i) rows[i] = f.splats[i < count ? first + i : last - 1].id;
  vf in[SUM_STRIDE];
  for (int part = 0; part < SUMS; part += L) {
    for (int i = 0; i < L; ++i) in[part + i] = load(sums + SUM_STRIDE * (i < count ? first + i : first) + part);
    turn(in + part);
  }
  auto sum = [&](Sum j) { return in[j]; };
  scatter_add(grads.opacities, 1, 0, rows, count, sum(S_V) / gather(s.opacities, 1, 0, rows));
  vf gcolor[3] = {sum(S_R), sum(S_G), sum(S_B)};
  if (grads.colors && s.sh_degree < 0)
    for (int j = 0; j < (s.channels < 3 ? s.channels : 3); ++j)
      scatter_add(grads.colors, s.channels, j, rows, count, gcolor[j]);
  const bool through_direction = s.sh_degree > 0 || (s.sh_degree == 0 && grads.colors);
  const bool shape = grads.means || grads.quats || grads.scales || grads.mean2d || grads.absgrad;
  if (!shape && !(grads.colors && s.sh_degree >= 0)) return;

  vf mean[3], quat[4], scale[3];
  for (int j = 0; j < 3; ++j) mean[j] = gather(s.means, 3, j, rows);
  for (int j = 0; j < 4; ++j) quat[j] = gather(s.quats, 4, j, rows);
  for (int j = 0; j < 3; ++j) scale[j] = gather(s.scales, 3, j, rows);
  Projected p = project_lanes(f.camera, mean, quat, scale);
  const vf u11 = vsqrt(p.yy / p.det);
  const Whitening u = {u11, -(p.xy / p.yy) * u11, 1.0f / vsqrt(p.yy)};
  const float inv = 1.0f / UNIT, half_inv2 = 0.5f / (UNIT * UNIT);
  const vf gmx = u.u11 * sum(S_U) * inv, gmy = (u.u12 * sum(S_U) + u.u22 * sum(S_W)) * inv;
  // dL/d(covariance) = U^T S U / 2 with S the second moments of v.
  const vf a = sum(S_UU) * half_inv2, b = sum(S_UW) * half_inv2, d = sum(S_WW) * half_inv2;
  ShapeGradient o = shape_gradient(f.camera, p, scale, u, gmx, gmy, a, b, d, sum(S_Z));
  if (through_direction) sh_gradient(s, f.camera, rows, count, gcolor, grads, o.mean);
  for (int j = 0; j < 3; ++j) scatter_add(grads.means, 3, j, rows, count, o.mean[j]);
  for (int j = 0; j < 4; ++j) scatter_add(grads.quats, 4, j, rows, count, o.quat[j]);
  for (int j = 0; j < 3; ++j) scatter_add(grads.scales, 3, j, rows, count, o.scale[j]);
  scatter_add(grads.mean2d, 2, 0, rows, count, gmx);
  scatter_add(grads.mean2d, 2, 1, rows, count, gmy);
  scatter_add(grads.absgrad, 2, 0, rows, count, sum(S_ABS_X) * (inv * inv));
  scatter_add(grads.absgrad, 2, 1, rows, count, sum(S_ABS_Y) * (inv * inv));
}

}  // namespace

void project_backward(const Frame& f, const Scene& s, const float* sums, const Gradients& grads, int threads) {
#pragma omp parallel for schedule(static, 2) num_threads(threads) if (threads > 1)
  for (int64_t piece = 0; piece < f.pieces; ++piece) {
    const int64_t start = piece * PIECE, end = start + f.count[piece];
    for (int64_t first = start; first < end; first += L) group_backward(f, s, sums, grads, first, end);
  }
}

}  // namespace CHORUS_ISA
}  // namespace chorus
