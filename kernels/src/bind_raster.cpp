// rasterize: forward over a batch of views, and backward from what forward kept.
#include <memory>
#include <mutex>
#include <vector>

#include "frame_store.h"
#include "views.h"

namespace chorus {
namespace {

// Frames are handed back and used again: their memory is the price of a pass over fresh pages.
class Pool {
 public:
  std::unique_ptr<FrameStore> take() {
    std::lock_guard<std::mutex> hold(mutex_);
    if (free_.empty()) return std::make_unique<FrameStore>();
    auto f = std::move(free_.back());
    free_.pop_back();
    return f;
  }
  void give(std::unique_ptr<FrameStore> f) {
    std::lock_guard<std::mutex> hold(mutex_);
    if (free_.size() < 4) free_.push_back(std::move(f));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<FrameStore>> free_;
};

Pool& pool() {
  static Pool* p = new Pool;  // never destroyed: frames may come back while the interpreter shuts down
  return *p;
}

struct Frames {
  std::vector<std::unique_ptr<FrameStore>> views;
  int64_t pairs = 0, visible = 0;
  Frames() = default;
  Frames(const Frames&) = delete;
  ~Frames() { for (auto& v : views) if (v) pool().give(std::move(v)); }
};

struct Options { int width, height, sh_degree, threads; float near_plane, far_plane, eps2d; };

struct Shape { int64_t views; int channels, sh_bases; };

Shape shape_of(const In<float>& colors, const In<float>& viewmats, int sh_degree) {
  const bool sh = sh_degree >= 0;
  return {(int64_t)viewmats.shape(0), sh ? 3 : (int)colors.shape(1), sh ? (int)colors.shape(1) : 0};
}

Frames* forward(In<float> means, In<float> quats, In<float> scales, In<float> opacities, In<float> colors,
                In<float> viewmats, In<float> Ks, MaybeIn<float> backgrounds, Out<float> out_colors,
                Out<float> out_depths, Out<float> out_alphas, Out<int32_t> radii, Options o, bool keep) {
  Inputs in{means, quats, scales, opacities};
  std::vector<Numbers> given =
      numbers(in, {numbers("colors", colors), numbers("viewmats", viewmats), numbers("Ks", Ks)});
  if (backgrounds) given.push_back(numbers("backgrounds", *backgrounds));
  require_finite("rasterize", given, o.threads);
  auto frames = std::make_unique<Frames>();
  nb::gil_scoped_release release;
  const Shape shape = shape_of(colors, viewmats, o.sh_degree);
  const Scene scene = make_scene(in, colors.data(), shape.channels, o.sh_degree, shape.sh_bases);
  const int64_t pixels = (int64_t)o.width * o.height;
  for (int64_t v = 0; v < shape.views; ++v) {
    if (keep || frames->views.empty()) frames->views.push_back(pool().take());
    FrameStore& store = *frames->views.back();
    const Camera camera =
        make_camera(viewmats.data() + 16 * v, Ks.data() + 9 * v, o.width, o.height, o.near_plane, o.far_plane, o.eps2d);
    store.build(scene, camera, radii.data() + v * scene.n, o.threads);
    frames->pairs += store.frame.pairs;
    frames->visible += store.frame.n;
    const BlendOutput out{out_colors.data() + v * pixels * shape.channels, out_depths.data() + v * pixels,
                          out_alphas.data() + v * pixels,
                          backgrounds ? backgrounds->data() + v * shape.channels : nullptr};
    if (shape.channels == 3) ops().blend(store.frame, out, o.threads);
    else ops().blend_features(store.frame, scene, out, o.threads);
  }
  return frames.release();  // Python owns it from here
}

// One view's sums per splat, through slots when several threads share the tiles.
void splat_sums(FrameStore& store, const Scene& scene, const BlendOutput& out, const BlendGradient& grad,
                float* color_grads, bool absolute, bool geometry, float* sums, Block& slot_memory, int threads) {
  const Frame& f = store.frame;
  const int64_t* slots = threads > 1 && geometry ? store.pair_slots() : nullptr;
  float* into = slots ? array_in<float>(slot_memory, (f.pairs + 1) * SUM_STRIDE) : sums;
  if (geometry && !slots) clear_sums(f, sums);
  float* shape_sums = geometry ? into : nullptr;
  if (scene.channels == 3) ops().blend_backward(f, out, grad, into, absolute, slots, threads);
  else ops().blend_features_backward(f, scene, out, grad, color_grads, shape_sums, absolute, slots, threads);
  if (slots) reduce_slots(f, into, slots, sums, threads);
}

void backward(Frames& frames, In<float> means, In<float> quats, In<float> scales, In<float> opacities, In<float> colors,
              In<float> viewmats, MaybeIn<float> backgrounds, MaybeIn<float> g_colors, MaybeIn<float> g_depths,
              MaybeIn<float> g_alphas, MaybeOut<float> d_means, MaybeOut<float> d_quats, MaybeOut<float> d_scales,
              MaybeOut<float> d_opacities, MaybeOut<float> d_colors, MaybeOut<float> absgrad, MaybeOut<float> mean2d,
              Options o) {
  nb::gil_scoped_release release;
  static thread_local Block sum_memory, slot_memory;
  const Shape shape = shape_of(colors, viewmats, o.sh_degree);
  const Scene scene =
      make_scene({means, quats, scales, opacities}, colors.data(), shape.channels, o.sh_degree, shape.sh_bases);
  const int64_t pixels = (int64_t)o.width * o.height;
  const bool geometry = d_means || d_quats || d_scales || d_opacities || absgrad || mean2d;
  const bool many = shape.channels != 3;
  Gradients grads{pointer(d_means), pointer(d_quats), pointer(d_scales), pointer(d_opacities),
                  many ? nullptr : pointer(d_colors), pointer(absgrad), pointer(mean2d)};
  for (int64_t v = 0; v < shape.views; ++v) {
    FrameStore& store = *frames.views[v];
    float* sums = array_in<float>(sum_memory, (scene.n + 1) * SUM_STRIDE);
    const BlendOutput out{nullptr, nullptr, nullptr, backgrounds ? backgrounds->data() + v * shape.channels : nullptr};
    const BlendGradient grad{g_colors ? g_colors->data() + v * pixels * shape.channels : nullptr,
                             g_depths ? g_depths->data() + v * pixels : nullptr,
                             g_alphas ? g_alphas->data() + v * pixels : nullptr};
    splat_sums(store, scene, out, grad, many ? pointer(d_colors) : nullptr, (bool)absgrad, geometry || !many, sums,
               slot_memory, o.threads);
    if (geometry || !many) ops().project_backward(store.frame, scene, sums, grads, o.threads);
  }
}

}  // namespace

void bind_raster(nb::module_& m) {
  nb::class_<Frames>(m, "Frames").def_ro("pairs", &Frames::pairs).def_ro("visible", &Frames::visible);
  nb::class_<Options>(m, "Options")
      .def("__init__",
           [](Options* o, int width, int height, int sh_degree, int threads, float near, float far, float eps2d) {
             new (o) Options{width, height, sh_degree, threads, near, far, eps2d};
           });
  m.def("rasterize", &forward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
        nb::arg().none(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg());
  m.def("rasterize_backward", &backward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
        nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
        nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg());
}

}  // namespace chorus
