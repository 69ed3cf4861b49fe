// Attention inside windows.
#include <vector>

#include "bind.h"

namespace chorus {
namespace {

AttentionInput attention_input(const In<float>& qkv, const In<int64_t>& rows, const MaybeIn<uint8_t>& unread,
                               const MaybeIn<int64_t>& keys) {
  return {qkv.data(), rows.data(), pointer(unread), pointer(keys),
          (int64_t)rows.shape(0), (int64_t)rows.shape(1), (int64_t)qkv.shape(2)};
}

void attention(In<float> qkv, In<int64_t> rows, MaybeIn<uint8_t> unread, MaybeIn<int64_t> keys, Out<float> out,
               MaybeOut<float> logsum, int threads) {
  nb::gil_scoped_release release;
  ops().attention(attention_input(qkv, rows, unread, keys), out.data(), pointer(logsum), threads);
}

// Gradient of the attention with respect to qkv. A row that stands in several windows gets what its keys and values are
// due from where it is not read after all the rest, in the order of the windows.
void attention_backward(In<float> qkv, In<int64_t> rows, MaybeIn<uint8_t> unread, MaybeIn<int64_t> keys, In<float> out,
                        In<float> logsum, In<float> grad, Out<float> qkv_grad, int threads) {
  nb::gil_scoped_release release;
  const AttentionInput in = attention_input(qkv, rows, unread, keys);
  const int64_t row_size = in.heads * 16;
  std::vector<int64_t> beside(in.unread ? in.windows * in.size : 0), owner;
  for (int64_t w = 0; in.unread && w < in.windows; ++w)
    for (int64_t i = 0; i < (in.keys ? in.keys[w] : in.size); ++i) {
      const int64_t at = w * in.size + i;
      beside[at] = (int64_t)owner.size();
      if (in.unread[at]) owner.push_back(in.rows[at]);
    }
  std::vector<float> extra(owner.size() * 2 * row_size);
  ops().attention_backward(in, {out.data(), logsum.data(), grad.data(), beside.data(), qkv_grad.data(), extra.data()},
                           threads);
  for (size_t i = 0; i < owner.size(); ++i)
    for (int64_t c = 0; c < 2 * row_size; ++c)
      qkv_grad.data()[(owner[i] * 3 + 1) * row_size + c] += extra[i * 2 * row_size + c];
}

// Empty string, or what is wrong with the windows of n rows.
nb::str check_windows(In<int64_t> rows, MaybeIn<uint8_t> unread, MaybeIn<int64_t> keys, int64_t n) {
  const int64_t windows = (int64_t)rows.shape(0), size = (int64_t)rows.shape(1);
  std::vector<char> answered(n, 0);
  int64_t answers = 0;
  for (int64_t w = 0; w < windows; ++w) {
    const int64_t count = keys ? keys->data()[w] : size;
    if (count < 1 || count > size) {
      const std::string limits = "from 1 to " + std::to_string(size) + ", got " + std::to_string(count);
      return nb::str(("keys must hold counts " + limits).c_str());
    }
    for (int64_t i = w * size; i < w * size + count; ++i) {
      const int64_t row = rows.data()[i];
      if (row < 0 || row >= n) {
        const std::string limits = "[0, " + std::to_string(n) + "), got " + std::to_string(row);
        return nb::str(("rows must hold rows in " + limits).c_str());
      }
      if (unread && unread->data()[i]) continue;
      answers += !answered[row];
      if (answered[row])
        return nb::str(("row " + std::to_string(row) + " must be read from one window, not two").c_str());
      answered[row] = 1;
    }
  }
  if (answers == n) return nb::str("");
  return nb::str(("every row must be read from a window, but " + std::to_string(n - answers) + " are in none").c_str());
}

}  // namespace

void bind_attention(nb::module_& m) {
  m.def("attention", &attention, nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg().none(),
        nb::arg());
  m.def("attention_backward", &attention_backward, nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(),
        nb::arg(), nb::arg(), nb::arg(), nb::arg());
  m.def("check_windows", &check_windows, nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg());
}

}  // namespace chorus
