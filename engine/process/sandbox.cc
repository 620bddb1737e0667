// libseccomp compiles the lists. They are loaded without it, as readers do that concurrently.
#include "engine/process/sandbox.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>

#include "engine/process/sigsys_handler.h"
#include "ring/descriptor.h"

namespace tcpeek::engine {
namespace {

#ifdef TCPEEK_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

struct Release {
  void operator()(scmp_filter_ctx context) const noexcept { seccomp_release(context); }
};
using Context = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, Release>;

// libseccomp's functions return 0 or a negative error number.
void check(int result, const char* object) {
  if (result >= 0) return;
  throw std::system_error(-result, std::generic_category(),
                          std::string("cannot compile the system call filter: ") + object);
}

long seccomp(unsigned operation, unsigned flags, const void* argument) noexcept {
  return ::syscall(SYS_seccomp, operation, flags, argument);
}

void require_filters() {
  for (const std::uint32_t action : {SECCOMP_RET_TRAP, SECCOMP_RET_KILL_PROCESS}) {
    if (seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) continue;
    ring::throw_errno(
        "cannot filter system calls, as the kernel or the container does not allow it "
        "(--no-seccomp runs without filters)");
  }
}

void add_rule(const Context& context, std::uint32_t action, const char* name,
              std::span<const ArgumentTest> when) {
  const int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_NATIVE, name);
  if (number < 0) return;  // another architecture's
  std::vector<scmp_arg_cmp> arguments;
  for (const ArgumentTest& test : when) {
    if (test.mask == 0) continue;
    arguments.push_back({test.index, SCMP_CMP_MASKED_EQ, test.mask, test.value});
  }
  check(seccomp_rule_add_array(context.get(), action, number,
                               static_cast<unsigned>(arguments.size()), arguments.data()),
        name);
}

// Through a pipe, which holds far more than the longest filter: libseccomp writes to a descriptor, and
// the filter of a service unit may forbid memfd_create().
std::vector<sock_filter> exported(const Context& context) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) ring::throw_errno("pipe2");
  const ring::Descriptor from(ends[0]);
  const ring::Descriptor to(ends[1]);
  check(seccomp_export_bpf(context.get(), to.get()), "export");
  std::vector<sock_filter> program(BPF_MAXINSNS);
  const auto size = ::read(from.get(), program.data(), program.size() * sizeof(sock_filter));
  if (size <= 0) ring::throw_errno("cannot read the compiled system call filter");
  program.resize(static_cast<std::size_t>(size) / sizeof(sock_filter));
  return program;
}

std::vector<sock_filter> compile(Role role, bool syslog) {
  const Context context(seccomp_init(SCMP_ACT_TRAP));
  if (context == nullptr) check(-ENOMEM, name_of(role));
  // These are x32 and i386, whose calls have other numbers.
  check(seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
        "other architectures");
  for (const AllowedCall& call : allowed_calls(role, syslog)) {
    add_rule(context, SCMP_ACT_ALLOW, call.name, call.when);
  }
  for (const char* name : denied_calls()) {
    add_rule(context, SCMP_ACT_ERRNO(EACCES), name, {});
  }
  for (const char* name : deadly_calls()) add_rule(context, SCMP_ACT_KILL_PROCESS, name, {});
  return exported(context);
}

}  // namespace

Sandbox::Sandbox(std::initializer_list<Role> roles, bool syslog) {
  if (!supported_by_build()) return;
  require_filters();
  // Reads the time zone's file, which could not be opened any more when the first time is printed.
  ::tzset();
  install_sigsys_handler();
  for (const Role role : roles) filters_.at(static_cast<std::size_t>(role)) = compile(role, syslog);
}

bool Sandbox::supported_by_build() noexcept {
  return !kSanitized;
}

void Sandbox::enter(Role role) const {
  const auto& filter = filters_.at(static_cast<std::size_t>(role));
  if (filter.empty()) return;
  set_thread_name_for_refusals(name_of(role));
  const sock_fprog program{static_cast<unsigned short>(filter.size()),
                           const_cast<sock_filter*>(filter.data())};
  // Older kernels slow a filtered thread down against code that reads its own memory by speculation
  // (Documentation/userspace-api/spec_ctrl.rst). There is no such code here, and readers must be fast.
  const auto load = [&](unsigned flags) {
    return seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
  };
  // Before Linux 4.17 there is no such flag.
  if (load(SECCOMP_FILTER_FLAG_SPEC_ALLOW) != 0 && (errno != EINVAL || load(0) != 0)) {
    ring::throw_errno(std::string("cannot load the system call filter of ") + name_of(role) +
                      " (--no-seccomp runs without filters)");
  }
}

}  // namespace tcpeek::engine
