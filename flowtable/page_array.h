// A fixed array of plain values in its own pages, zero at start, huge pages where the kernel has
// them.
//
// Tables are made once and live as long as the program; malloc would neither promise zeroed pages
// nor alignment nor huge pages. Memory is taken at once, or when a page is first written, or step by step:
// always by the thread that uses the array, so that on a NUMA machine pages come from that thread's node.
//
// Thread contract: as a std::vector.
// Errors: std::system_error naming mmap and the size.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tcpeek::flowtable {

// Of a table: taken when it is made, or as it is used.
enum class TableMemory { at_once, grows };

template <class T>
class PageArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>,
                "pages are handed out zeroed and given back as they are");

 public:
  // All of it is taken at once.
  explicit PageArray(std::size_t size) : PageArray(size, Untouched()) {
    advise_huge_pages();
    take(bytes());
  }

  // Pages take memory when they are first written: of which only a part is ever used, or not at first.
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
      : data_(std::exchange(o.data_, nullptr)),
        size_(std::exchange(o.size_, 0)),
        taken_(std::exchange(o.taken_, 0)) {}
  PageArray& operator=(PageArray&& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    std::swap(taken_, o.taken_);
    return *this;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return data_[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data_[i]; }

  // Takes the memory of the next kStep and keeps what is there. False: all has been taken. In small pages, for the
  // sake of who waits: a huge one has to be found first, which took 8 ms where memory was in many pieces. The
  // kernel puts them together later (khugepaged).
  bool take_more() noexcept {
    if (taken()) return false;
    take(std::min(kStep, bytes() - taken_));
    if (!taken()) return true;
    advise_huge_pages();
    return false;
  }
  [[nodiscard]] bool taken() const noexcept { return taken_ >= bytes(); }

  // Values [from, to) are zero again, but for those in pages that have others too; the memory goes back.
  void give_back(std::size_t from, std::size_t to) noexcept {
    const std::size_t first = (from * sizeof(T) + kPage - 1) / kPage * kPage;
    const std::size_t last = to * sizeof(T) / kPage * kPage;
    auto* const memory = reinterpret_cast<std::byte*>(data_);
    if (first < last) static_cast<void>(::madvise(memory + first, last - first, MADV_DONTNEED));
  }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kStep = std::size_t{512} << 10;  // some 50 us

  [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(T); }

  // Advice only: without huge pages the table works as well, a little slower.
  void advise_huge_pages() noexcept { static_cast<void>(::madvise(data_, bytes(), MADV_HUGEPAGE)); }

  void take(std::size_t more) noexcept {
    auto* const first = reinterpret_cast<std::byte*>(data_) + taken_;
    taken_ += more;
    if (::madvise(first, more, MADV_POPULATE_WRITE) == 0) return;
    // Before Linux 5.14.
    for (std::size_t at = 0; at < more; at += kPage) {
      volatile std::byte& byte = first[at];
      byte = byte;
    }
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t taken_ = 0;  // bytes, by take_more()
};

}  // namespace tcpeek::flowtable
