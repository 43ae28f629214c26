#include "base/allocation_counter.h"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
thread_local std::uint64_t allocations = 0;
}  // namespace

namespace loquat::base {
std::uint64_t AllocationsOfThisThread() {
  return allocations;
}
}  // namespace loquat::base

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

#include <sanitizer/allocator_interface.h>

namespace {
[[maybe_unused]] const int installed =
    __sanitizer_install_malloc_and_free_hooks([](auto*, std::size_t) { ++allocations; }, [](auto*) {});
}  // namespace

#else

// The array, nothrow and sized forms of the standard library call these.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const std::size_t step = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(step, (size + step - 1) / step * step)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

#endif
