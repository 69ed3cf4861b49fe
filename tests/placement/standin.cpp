// A device for tests, "standin:0": tensors in host memory that torch believes to be elsewhere.
//
// Every op runs torch's CPU kernel on aliases of the same memory. What a card would refuse is refused: tensors of two
// devices in one op (but for CPU scalars of no dimension), and generators of the CPU. What would make a card's stream
// wait for the host is counted: copies to the CPU, .item() and its like, and ops whose result has as many rows as the
// data says.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/GeneratorForPrivateuseone.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

namespace {

constexpr auto kHere = c10::DeviceType::PrivateUse1;
const c10::Device HERE(kHere, 0);

// ---- what is counted

std::mutex counts_lock;
std::map<std::string, int64_t> counts;
thread_local bool counting = true;  // of this thread: images are drawn in another while teachers look
std::atomic<bool> lending{false};  // whether rows may be taken by an index of the CPU, as on CUDA

void count(const std::string& what) {
  if (!counting) return;
  std::lock_guard<std::mutex> hold(counts_lock);
  ++counts[what];
}

// Ops whose result has as many rows as the values say, or whose result the host reads: on CUDA each waits.
const std::set<std::string> WAITING = {"aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::unique_dim",
    "aten::unique_consecutive", "aten::unique_dim_consecutive", "aten::bincount", "aten::equal", "aten::_unique",
    "aten::_local_scalar_dense"};

// ---- memory: storages of this device and of the CPU over the same bytes

struct Owner {
  c10::Storage storage;
};

void release(void* owner) {
  delete static_cast<Owner*>(owner);
}

c10::Storage over(const c10::Storage& storage, c10::Device device) {
  void* data = const_cast<void*>(storage.data());
  return c10::Storage(c10::Storage::use_byte_size_t(), storage.nbytes(),
      c10::DataPtr(data, new Owner{storage}, &release, device), c10::GetCPUAllocator(), /*resizable=*/true);
}

at::Tensor view_of(const c10::Storage& storage, const at::Tensor& like, c10::DispatchKey key) {
  auto out = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(storage), c10::DispatchKeySet(key), like.dtype());
  out.unsafeGetTensorImpl()->set_storage_offset(like.storage_offset());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides());
  return out;
}

// ---- one call: arguments to aliases on the CPU and back

struct Call {
  explicit Call(const c10::OperatorHandle& op) : op(op) {}

  const c10::OperatorHandle& op;
  std::map<const c10::StorageImpl*, c10::Storage> aliases;  // of a storage here: the CPU's over the same bytes
  std::map<const c10::StorageImpl*, c10::Storage> origins;  // and back
  std::vector<std::pair<at::Tensor, at::Tensor>> given;     // tensor here, its alias

  c10::Storage alias(const c10::Storage& storage) {
    auto found = aliases.find(storage.unsafeGetStorageImpl());
    if (found != aliases.end()) return found->second;
    c10::Storage other = over(storage, c10::Device(c10::kCPU));
    origins.emplace(other.unsafeGetStorageImpl(), storage);
    aliases.emplace(storage.unsafeGetStorageImpl(), other);
    return other;
  }

  at::Tensor alias(const at::Tensor& tensor, bool lent = false) {
    if (!tensor.defined()) return tensor;
    if (tensor.device().type() != kHere) {
      TORCH_CHECK(lent || tensor.device().is_cpu() && tensor.dim() == 0, op.schema().operator_name(),
          ": expected all tensors to be on the same device, but found ", HERE, " and ", tensor.device(), " of shape ",
          tensor.sizes());
      return tensor;
    }
    given.emplace_back(tensor, view_of(alias(tensor.storage()), tensor, c10::DispatchKey::CPU));
    return given.back().second;
  }

  // A result of the CPU kernel as a tensor here: an argument itself, a view of one, or new memory.
  at::Tensor back(const at::Tensor& result) {
    if (!result.defined()) return result;
    for (auto& [tensor, alias] : given)
      if (result.is_same(alias)) return tensor;
    auto origin = origins.find(result.storage().unsafeGetStorageImpl());
    if (origin == origins.end()) return view_of(over(result.storage(), HERE), result, c10::DispatchKey::PrivateUse1);
    for (auto& [tensor, alias] : given) {
      if (tensor.storage().unsafeGetStorageImpl() != origin->second.unsafeGetStorageImpl()) continue;
      auto out = at::detail::make_tensor<c10::TensorImpl>(
          c10::TensorImpl::VIEW, c10::Storage(origin->second), tensor.key_set(), result.dtype());
      out.unsafeGetTensorImpl()->set_storage_offset(result.storage_offset());
      out.unsafeGetTensorImpl()->set_sizes_and_strides(result.sizes(), result.strides());
      return out;
    }
    return view_of(origin->second, result, c10::DispatchKey::PrivateUse1);
  }

  // What an op resized or replaced in place.
  void settle() {
    for (auto& [tensor, alias] : given) {
      const c10::Storage& now = alias.storage();
      auto* impl = tensor.unsafeGetTensorImpl();
      if (now.data() != tensor.storage().data() || now.nbytes() != tensor.storage().nbytes()) {
        auto origin = origins.find(now.unsafeGetStorageImpl());
        if (origin != origins.end() && tensor.storage().is_alias_of(origin->second)) {  // grown: the same storage, new bytes
          auto* storage = tensor.storage().unsafeGetStorageImpl();
          storage->set_nbytes(now.nbytes());
          storage->set_data_ptr_noswap(c10::DataPtr(const_cast<void*>(now.data()), new Owner{now}, &release, HERE));
        } else {
          impl->set_storage_keep_dtype(origin == origins.end() ? over(now, HERE) : origin->second);
        }
      }
      if (alias.sizes() != tensor.sizes() || alias.strides() != tensor.strides() ||
          alias.storage_offset() != tensor.storage_offset()) {
        impl->set_storage_offset(alias.storage_offset());
        impl->set_sizes_and_strides(alias.sizes(), alias.strides());
      }
    }
  }
};

// ---- generators: the CPU's, of this device

struct Generator : at::CPUGeneratorImpl {
  explicit Generator(uint64_t seed) : at::CPUGeneratorImpl(seed) { stand(kHere); }
  void stand(c10::DeviceType where) { device_ = where == kHere ? HERE : c10::Device(c10::kCPU); }
};

at::Generator new_generator(uint64_t seed = c10::default_rng_seed_val) {
  return at::make_generator<Generator>(seed);
}

const at::Generator& default_generator() {
  static at::Generator generator = new_generator();
  return generator;
}

// ---- the fallback of every op

bool by_mask(const at::Tensor& index) {
  return index.defined() && (index.scalar_type() == at::kBool || index.scalar_type() == at::kByte);
}

void every_op(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const std::string& name = schema.name();
  const size_t n = schema.arguments().size(), begin = stack->size() - n;
  Call call(op);
  std::vector<Generator*> generators;
  if (WAITING.count(name)) count(name);
  bool sized = false;
  for (size_t i = 0; i < n; ++i) {
    c10::IValue& value = (*stack)[begin + i];
    if (value.isTensor()) {
      value = call.alias(value.toTensor());
    } else if (value.isTensorList()) {
      auto list = value.toTensorVector();
      for (auto& tensor : list) tensor = call.alias(tensor);
      value = std::move(list);
    } else if (value.isOptionalTensorList()) {
      auto list = value.toOptionalTensorVector();
      for (auto& tensor : list)
        if (tensor.has_value()) {
          if (by_mask(*tensor) && (name == "aten::_index_put_impl_"))
            count("boolean index");
          tensor = call.alias(*tensor, lending && name == "aten::index");
        }
      value = c10::List<std::optional<at::Tensor>>(std::move(list));
    } else if (value.isStorage()) {
      if (value.toStorage().device().type() == kHere) value = call.alias(value.toStorage());
    } else if (value.isDevice()) {
      value = c10::Device(c10::kCPU);
    } else if (value.isGenerator()) {
      auto* generator = dynamic_cast<Generator*>(value.toGenerator().unsafeGetGeneratorImpl());
      TORCH_CHECK(generator, schema.operator_name(), ": expected a generator of ", HERE, ", but found one of ",
          value.toGenerator().device());
      generator->stand(c10::kCPU);
      generators.push_back(generator);
    } else if (schema.arguments()[i].name() == "output_size" && !value.isNone()) {
      sized = true;
    }
  }
  if (name == "aten::repeat_interleave" && !sized) count(name);
  struct Return {
    std::vector<Generator*>& generators;
    ~Return() {
      for (auto* generator : generators) generator->stand(kHere);
    }
  } at_end{generators};
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  call.settle();
  const size_t first = stack->size() - schema.returns().size();
  for (size_t i = first; i < stack->size(); ++i) {
    c10::IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = call.back(value.toTensor());
    } else if (value.isTensorList()) {
      auto list = value.toTensorVector();
      for (auto& tensor : list) tensor = call.back(tensor);
      value = std::move(list);
    }
  }
}

// ---- what the fallback cannot do

at::Tensor here_to_cpu(const at::Tensor& tensor) {
  return view_of(over(tensor.storage(), c10::Device(c10::kCPU)), tensor, c10::DispatchKey::CPU);
}

at::Tensor copy_from(const at::Tensor& source, const at::Tensor& target, bool non_blocking) {
  const bool from_here = source.device().type() == kHere, to_here = target.device().type() == kHere;
  if (from_here && !to_here) count("copy to the CPU");
  if (!from_here && to_here) count("copy from the CPU");
  at::Tensor into = to_here ? here_to_cpu(target) : target;
  into.copy_(from_here ? here_to_cpu(source) : source);
  return target;
}

at::Tensor copy_from_and_resize(const at::Tensor& source, const at::Tensor& target) {
  TORCH_CHECK(source.sizes() == target.sizes(), "standin: a copy that resizes");
  return copy_from(source, target, false);
}

at::Tensor to_here(const at::Tensor& tensor) {
  return tensor.defined() ? view_of(over(tensor.storage(), HERE), tensor, c10::DispatchKey::PrivateUse1) : tensor;
}

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
    at::IntArrayRef output_padding, int64_t groups) {
  TORCH_CHECK(input.device() == weight.device() && (!bias || !bias->defined() || bias->device() == input.device()),
      "convolution: expected all tensors to be on the same device");
  std::optional<at::Tensor> own;
  if (bias && bias->defined()) own = here_to_cpu(*bias);
  return to_here(at::convolution(here_to_cpu(input), here_to_cpu(weight), own, stride, padding, dilation, transposed,
      output_padding, groups));
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(const at::Tensor& grad, const at::Tensor& input,
    const at::Tensor& weight, at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
    bool transposed, at::IntArrayRef output_padding, int64_t groups, std::array<bool, 3> wanted) {
  const std::vector<int64_t> bias{transposed ? weight.size(1) * groups : weight.size(0)};
  auto [a, b, c] = at::convolution_backward(here_to_cpu(grad), here_to_cpu(input), here_to_cpu(weight),
      at::OptionalIntArrayRef(bias), stride, padding, dilation, transposed, output_padding, groups, wanted);
  return {to_here(a), to_here(b), to_here(c)};
}

// ---- what torch wants to know of a device

struct Guard : c10::impl::NoOpDeviceGuardImpl<kHere> {
  c10::Device exchangeDevice(c10::Device) const override { return HERE; }
  c10::Device getDevice() const override { return HERE; }
  c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, HERE); }
  c10::Stream getDefaultStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, HERE); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, HERE); }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Memory : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    auto inner = c10::GetCPUAllocator()->allocate(bytes);
    void* data = inner.get();
    c10::Storage storage(c10::Storage::use_byte_size_t(), bytes, std::move(inner));
    return {data, new Owner{storage}, &release, HERE};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
};
Memory memory;
REGISTER_ALLOCATOR(kHere, &memory);

struct Hooks : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override { return default_generator(); }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return new_generator(); }
};

int hooked = (at::RegisterPrivateUse1HooksInterface(new Hooks), 0);

c10::Dict<std::string, int64_t> told() {
  std::lock_guard<std::mutex> hold(counts_lock);
  c10::Dict<std::string, int64_t> out;
  for (auto& [what, times] : counts) out.insert(what, times);
  return out;
}

void forget() {
  std::lock_guard<std::mutex> hold(counts_lock);
  counts.clear();
}

void listen(bool on) {
  counting = on;
}

void lend(bool on) {
  lending = on;
}

void seed(int64_t value) {
  default_generator().unsafeGetGeneratorImpl()->set_current_seed(value);
}

}  // namespace

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&every_op>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("convolution_overrideable", &convolution);
  m.impl("convolution_backward_overrideable", &convolution_backward);
}

TORCH_LIBRARY(standin, m) {
  m.def("counts", &told);
  m.def("forget", &forget);
  m.def("listen", &listen);
  m.def("lend", &lend);
  m.def("seed", &seed);
}
