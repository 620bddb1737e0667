// Counts the heap allocations of this thread: replaces operator new, or, under a sanitizer, listens
// to its allocator. Include it in one source of a test binary. Not inlined, or gcc sees free() meet
// operator new.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace tcpeek::test_detail {
inline thread_local std::uint64_t allocations = 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TCPEEK_SANITIZED_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TCPEEK_SANITIZED_HEAP 1
#endif
#endif

#ifdef TCPEEK_SANITIZED_HEAP
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*,
                                                                           std::size_t),
                                                         void (*on_free)(const volatile void*));
namespace tcpeek::test_detail {
inline const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { ++allocations; }, [](const volatile void*) {});
}
#else
namespace tcpeek::test_detail {
inline void* allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace tcpeek::test_detail

[[gnu::noinline]] void* operator new(std::size_t size) {
  return tcpeek::test_detail::allocate(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return tcpeek::test_detail::allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
#endif

namespace tcpeek::flowtable::test {

class AllocationCount {
 public:
  [[nodiscard]] std::uint64_t so_far() const { return test_detail::allocations - start_; }

 private:
  std::uint64_t start_ = test_detail::allocations;
};

}  // namespace tcpeek::flowtable::test
