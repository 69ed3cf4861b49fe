// From tensors to the plain structs of frame.h.
#pragma once
#include "bind.h"

namespace chorus {

struct Inputs {  // of everything that projects a scene
  In<float> means, quats, scales, opacities;
};

inline Scene make_scene(const Inputs& in, const float* colors, int channels, int sh_degree, int sh_bases) {
  return {(int64_t)in.means.shape(0), in.means.data(), in.quats.data(), in.scales.data(), in.opacities.data(),
          colors, channels, sh_degree, sh_bases};
}

// viewmat [4, 4] cam_from_world, K [3, 3]; both row major.
inline Camera make_camera(const float* m, const float* K, int width, int height, float near, float far, float eps2d) {
  Camera c = {};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) c.R[3 * i + j] = m[4 * i + j];
    c.t[i] = m[4 * i + 3];
  }
  for (int j = 0; j < 3; ++j) c.eye[j] = -(c.R[j] * c.t[0] + c.R[3 + j] * c.t[1] + c.R[6 + j] * c.t[2]);
  c.fx = K[0]; c.fy = K[4]; c.cx = K[2]; c.cy = K[5];
  c.width = width; c.height = height;
  c.near_plane = near; c.far_plane = far; c.eps2d = eps2d;
  return c;
}

// The scene's arrays and others, for require_finite.
inline std::vector<Numbers> numbers(const Inputs& in, std::initializer_list<Numbers> others) {
  std::vector<Numbers> all = {numbers("means", in.means), numbers("quats", in.quats), numbers("scales", in.scales),
                              numbers("opacities", in.opacities)};
  all.insert(all.end(), others);
  return all;
}

}  // namespace chorus
