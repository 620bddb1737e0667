// Preloaded into tcpeek by tests/faults: lets chosen allocations fail.
//
// Allocations are numbered from 1, beginning with main(): what the dynamic loader and libc take
// before is not ours. $FAIL_ALLOCATION names a file that the test shares with us, laid out as
// `Shared`: how many allocations there have been, which of them fail (0 for none, N for the N-th
// alone, -N for the N-th and all that follow), and for whom the first one failed: the program's or
// the shared object's path.
//
// An allocation is a call of malloc() and its kin, also on behalf of operator new, and of mmap().
// What libc takes for itself below these names (thread stacks) is not seen.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

using Main = int (*)(int, char**, char**);

struct Shared {
  std::atomic<std::int64_t> counted;
  std::atomic<std::int64_t> failing;
  std::array<char, 112> asked_by;
};

std::atomic<Shared*> shared{nullptr};
Main real_main = nullptr;

// The function that this name would mean without us.
template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

void note(Shared& s, const void* caller) noexcept {
  Dl_info info{};
  if (s.asked_by[0] != 0 || ::dladdr(caller, &info) == 0) return;
  std::strncpy(s.asked_by.data(), info.dli_fname, s.asked_by.size() - 1);
}

bool fails(const void* caller) noexcept {
  Shared* const s = shared.load(std::memory_order_acquire);
  if (s == nullptr) return false;
  const std::int64_t number = s->counted.fetch_add(1) + 1;
  const std::int64_t failing = s->failing.load();
  const bool chosen = failing < 0 ? number >= -failing : number == failing;
  if (!chosen) return false;
  note(*s, caller);
  errno = ENOMEM;
  return true;
}

int counted_main(int argc, char** argv, char** environment) {
  const char* path = std::getenv("FAIL_ALLOCATION");
  const int fd = path == nullptr ? -1 : ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) std::abort();
  void* const words = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (words == MAP_FAILED) std::abort();
  ::close(fd);
  shared.store(static_cast<Shared*>(words), std::memory_order_release);
  return real_main(argc, argv, environment);
}

}  // namespace

extern "C" {

int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                      void (*loader_fini)(), void* stack_end) {
  using Start = int(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);
  real_main = main;
  return next<Start>("__libc_start_main")(counted_main, argc, argv, init, fini, loader_fini,
                                          stack_end);
}

// The allocator's own names: what dlsym() itself allocates must not come back here.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_calloc(count, size);
}

void* realloc(void* memory, std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_realloc(memory, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  void* const made =
      fails(__builtin_return_address(0)) ? nullptr : __libc_memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *memory = made;
  return 0;
}

void* mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t offset) {
  if (fails(__builtin_return_address(0))) return MAP_FAILED;
  static auto* const real = next<void*(void*, std::size_t, int, int, int, off_t)>("mmap");
  return real(at, size, protection, flags, fd, offset);
}

}  // extern "C"
