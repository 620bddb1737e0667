// Everything the handler touches is prepared beforehand, as it may interrupt malloc(). A signal handler
// gets no argument of ours, so what it needs is the only global state of this program.
#include "engine/process/sigsys_handler.h"

#include <seccomp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "engine/base/journal.h"
#include "ring/descriptor.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kNumbers = 512;  // more than Linux has assigned
constexpr std::size_t kNameSize = 32;
// SYS_SECCOMP of asm-generic/siginfo.h, which glibc's signal.h lacks and excludes.
constexpr int kBySeccomp = 1;

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): see above
std::array<std::array<char, kNameSize>, kNumbers> call_names{};
thread_local const char* thread_name = "a thread";
bool to_journal = false;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

// A line composed without allocating.
class Line {
 public:
  void add(std::string_view text) noexcept {
    const std::size_t taken = std::min(text.size(), text_.size() - size_);
    std::copy_n(text.begin(), taken, text_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += taken;
  }
  void add(unsigned number) noexcept {
    if (number >= 10) add(number / 10);
    const char digit = static_cast<char>('0' + number % 10);
    add(std::string_view(&digit, 1));
  }
  void write_to(int descriptor) const noexcept {
    static_cast<void>(!::write(descriptor, text_.data(), size_));
  }

 private:
  std::array<char, 256> text_{};
  std::size_t size_ = 0;
};

void report(unsigned number) noexcept {
  Line line;
  if (to_journal) line.add("<2>");  // critical, sd-daemon(3)
  line.add("tcpeek: stopped: ");
  line.add(thread_name);
  line.add(" made the system call ");
  const bool named = number < kNumbers && call_names[number][0] != '\0';
  if (named) {
    line.add(call_names[number].data());
  } else {
    line.add(number);
  }
  line.add(
      " in a way that its filter does not allow; this is a bug in tcpeek's filter: please report "
      "it; --no-seccomp runs without filters\n");
  line.write_to(STDERR_FILENO);
}

extern "C" void on_refused_call(int, siginfo_t* info, void*) {
  if (info->si_code == kBySeccomp) report(static_cast<unsigned>(info->si_syscall));
  // The default action is back, and the signal is not blocked.
  ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), SIGSYS);
}

struct Free {
  // NOLINTNEXTLINE(cppcoreguidelines-no-malloc): libseccomp's, to be freed so
  void operator()(char* text) const noexcept { std::free(text); }
};

}  // namespace

void install_sigsys_handler() {
  for (std::size_t number = 0; number < kNumbers; ++number) {
    const std::unique_ptr<char, Free> name(
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number)));
    if (name == nullptr) continue;
    const std::string_view text(name.get());
    if (text.size() < kNameSize) std::copy(text.begin(), text.end(), call_names[number].begin());
  }
  to_journal = leads_to_journal(STDERR_FILENO);
  struct sigaction action {};
  action.sa_sigaction = on_refused_call;
  action.sa_flags = SA_SIGINFO | static_cast<int>(SA_RESETHAND) | SA_NODEFER;
  if (::sigaction(SIGSYS, &action, nullptr) != 0) ring::throw_errno("cannot catch SIGSYS");
}

void set_thread_name_for_refusals(const char* name) noexcept {
  thread_name = name;
}

}  // namespace tcpeek::engine
