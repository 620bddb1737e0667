// A fixed array of plain values in its own pages, zero at start, huge pages where the kernel has
// them.
//
// Tables are made once and live as long as the program; malloc would neither promise zeroed pages
// nor alignment nor huge pages. Pages are touched by the thread that makes the array, so that on a
// NUMA machine they come from that thread's node.
//
// Thread contract: as a std::vector.
// Errors: std::system_error naming mmap and the size; ECANCELED when asked to give up.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tcpeek::flowtable {

template <class T>
class PageArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>,
                "pages are handed out zeroed and given back as they are");

 public:
  // `give_up` may become true, on any thread, while pages are touched.
  explicit PageArray(std::size_t size, const std::atomic<bool>* give_up = nullptr)
      : PageArray(size, Untouched()) {
    // Advice only: without huge pages the table works as well, a little slower.
    static_cast<void>(::madvise(data_, size * sizeof(T), MADV_HUGEPAGE));
    if (touch(size * sizeof(T), give_up)) return;
    throw std::system_error(ECANCELED, std::generic_category(), "making the table of attempts");
  }

  // Of which only a part is ever used: pages take memory when they are first written.
  struct Untouched {};
  PageArray(std::size_t size, Untouched /*pages*/) : size_(size) {
    const std::size_t bytes = size * sizeof(T);
    if (bytes == 0) return;
    void* memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::system_error(errno, std::generic_category(),
                              "mmap of " + std::to_string(bytes >> 20) +
                                  " MiB for attempts (try fewer --max-sessions)");
    }
    data_ = static_cast<T*>(memory);
    // Where all memory may be huge pages, one byte used would take two megabytes.
    static_cast<void>(::madvise(memory, bytes, MADV_NOHUGEPAGE));
  }

  ~PageArray() {
    if (data_ != nullptr) ::munmap(data_, size_ * sizeof(T));
  }

  PageArray(PageArray&& o) noexcept
      : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
  PageArray& operator=(PageArray&& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    return *this;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return data_[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  // If there is not enough memory, fail here, at start, and not with a fault on the packet path.
  bool touch(std::size_t bytes, const std::atomic<bool>* give_up) noexcept {
    constexpr std::size_t kPage = 4096;
    constexpr std::size_t kBetweenLooks = 16U << 20;
    volatile auto* first = reinterpret_cast<std::byte*>(data_);
    for (std::size_t at = 0; at < bytes; at += kPage) {
      if (at % kBetweenLooks == 0 && give_up != nullptr && give_up->load()) return false;
      first[at] = std::byte{0};
    }
    return true;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace tcpeek::flowtable
