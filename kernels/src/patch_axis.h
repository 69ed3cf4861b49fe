// Which patches the pixels along one axis of an image are interpolated from.
//
// PatchBuilder works it out, once, in code that is compiled once, and whoever needs the patches of a pixel or of a run
// of pixels reads them here. Were the formula compiled into every build of the hot files, those that multiply and add
// with one rounding would put a pixel that lies on a patch's center beside it, and outside its tile's window.
#pragma once

namespace chorus {

struct PatchSpan { int first, second; float fraction; };   // value = (1 - fraction) map[first] + fraction map[second]

struct PatchAxis { const PatchSpan* spans; int pixels; };  // a span for each pixel, ascending

struct PatchRun { int first, count; };

// The patches that pixels [first, first + count) touch: the first pixel lies in the image, the end may not.
static inline PatchRun touched(const PatchAxis& a, int first, int count) {
  const int end = first + count < a.pixels ? first + count : a.pixels;
  return {a.spans[first].first, a.spans[end - 1].second + 1 - a.spans[first].first};
}

}  // namespace chorus
