#include "engine/process/seccomp_policy.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tcpeek::engine {
namespace {

using Calls = std::vector<AllowedCall>;

constexpr std::uint64_t kInt = 0xffff'ffff;
constexpr std::uint64_t kWord = ~std::uint64_t{0};

constexpr ArgumentTest equals(unsigned index, std::uint64_t value) {
  return {index, kInt, value & kInt};
}
constexpr ArgumentTest without(unsigned index, std::uint64_t bits) {
  return {index, bits, 0};
}
constexpr ArgumentTest with(unsigned index, std::uint64_t bits) {
  return {index, bits, bits};
}

// An option of setsockopt() or getsockopt().
AllowedCall option(const char* call, int level, int name) {
  return {call, {equals(1, static_cast<unsigned>(level)), equals(2, static_cast<unsigned>(name))}};
}

Calls every_thread() {
  const auto self = static_cast<std::uint64_t>(::getpid());
  return {
      // Memory, by malloc() and free(), which also ask for the number of CPUs.
      {"brk"},
      {"mmap", {without(2, PROT_EXEC), with(3, MAP_PRIVATE | MAP_ANONYMOUS)}},
      {"mprotect", {without(2, PROT_EXEC)}},
      {"munmap"},
      {"sched_getaffinity"},
      {"madvise"},  // MADV_DONTNEED: of freed heaps, of the stack of a thread that ends

      // Waiting for another thread.
      {"futex"},
      {"sched_yield"},      // before std::latch and std::barrier sleep
      {"restart_syscall"},  // by the kernel, to go on with poll() after SIGCONT

      {"clock_gettime"},  // where the vDSO cannot answer

      // The end of a thread or of the process, also by abort() and by the message before it.
      {"rt_sigprocmask"},
      {"exit"},
      {"exit_group"},
      {"getpid"},
      {"gettid"},
      {"rt_sigaction", {equals(0, SIGABRT)}},
      {"tgkill", {equals(0, self), equals(2, SIGABRT)}},
      {"tgkill", {equals(0, self), equals(2, SIGSYS)}},  // after reporting a refused call
      {"write", {equals(0, STDERR_FILENO)}},
      {"writev", {equals(0, STDERR_FILENO)}},  // glibc's message about a corrupt heap
  };
}

Calls reader() {
  return {
      {"poll"},
      {"ppoll"},
      // eventfds: waking others, being woken.
      {"read", {{{2, kWord, sizeof(std::uint64_t)}}}},
      {"write", {{{2, kWord, sizeof(std::uint64_t)}}}},
      option("getsockopt", SOL_PACKET, PACKET_STATISTICS),
      option("getsockopt", SOL_SOCKET, SO_ERROR),  // after POLLERR: the interface went down
      // That rejects all: before another socket takes over, and at the end.
      option("setsockopt", SOL_SOCKET, SO_ATTACH_FILTER),
      {"close"},  // at the end: each reader its own packet sockets
  };
}

// The event loop, the clients of the UNIX socket, and what is printed.
Calls event_loop() {
  return {
      {"epoll_wait"},
      {"epoll_pwait"},
      {"epoll_ctl"},
      {"timerfd_settime"},
      {"poll"},  // before writing
      {"ppoll"},
      {"read"},     // eventfds, the signals' descriptor
      {"pread64"},  // the kernel's counters of accept queues, opened at the start
      {"write"},
      {"close"},
      {"accept"},
      {"accept4"},
      {"recvfrom"},
      {"recvmsg"},
      {"sendto"},  // netlink, the service manager
      {"sendmsg"},
      {"shutdown"},
      {"ioctl", {equals(1, FIONBIO)}},                // by Asio, of an accepted socket
      {"ioctl", {equals(1, TIOCGWINSZ)}},             // of the terminal
      option("getsockopt", SOL_SOCKET, SO_PEERCRED),  // whose client it is
      // The socket's file and its lock are looked at and removed at the end.
      {"fstat"},
      {"lstat"},
      {"newfstatat"},
      {"unlink"},
      {"unlinkat"},
      {"rmdir"},
  };
}

// Links and addresses are read again by a new netlink socket each time.
Calls links() {
  return {
      {"socket", {equals(0, AF_NETLINK), equals(2, NETLINK_ROUTE)}},
      {"bind"},
      {"getsockname"},
  };
}

// Packet sockets that were opened at the start, with protocol 0, capture on an interface that comes back.
Calls spare_sockets() {
  Calls calls{
      {"mmap", {without(2, PROT_EXEC), {3, MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED}}},  // the ring
      option("setsockopt", SOL_SOCKET, SO_ATTACH_FILTER),
      option("setsockopt", SOL_SOCKET, SO_ATTACH_BPF),  // of the prefilter, loaded before
      option("getsockopt", SOL_PACKET, PACKET_FANOUT),
  };
  for (const int name :
       {PACKET_RX_RING, PACKET_FANOUT, PACKET_FANOUT_DATA, PACKET_ADD_MEMBERSHIP}) {
    calls.push_back(option("setsockopt", SOL_PACKET, name));
  }
  return calls;
}

// syslog(3): a datagram socket, or a stream where the daemon has one.
Calls system_log() {
  return {
      {"socket", {equals(0, AF_UNIX)}},
      {"connect"},
      {"sendto"},
      {"close"},
  };
}

// Capture files are open already; they are mapped or read().
Calls replay() {
  return {
      {"poll"},                            // the signals' descriptor; before writing; a pipe
      {"ioctl", {equals(1, TIOCGWINSZ)}},  // of the terminal
      {"ppoll"},
      {"read"},
      {"write"},
      {"close"},
      {"fstat"},  // a mapped file may have become shorter
      {"newfstatat", {with(3, AT_EMPTY_PATH)}},
  };
}

// The report is there already, under another name.
Calls report() {
  return {
      {"rename"}, {"renameat"}, {"renameat2"}, {"unlink"}, {"unlinkat"},
  };
}

void append(Calls& calls, const Calls& more) {
  calls.insert(calls.end(), more.begin(), more.end());
}

constexpr std::array kDenied{
    // malloc() reads /proc/sys/vm/overcommit_memory when it first shrinks the heap of a thread, and
    // looks into /sys for the number of CPUs when the ninth thread allocates.
    "openat",
};

constexpr std::array kDeadly{
    // Other programs, other processes.
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    // More privileges, another view of the system.
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
    "capset",
    "unshare",
    "setns",
    "chroot",
    "pivot_root",
    "mount",
    "umount2",
    "personality",
    "keyctl",
    "add_key",
    "request_key",
    // The kernel.
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
};

}  // namespace

const char* name_of(Role role) noexcept {
  switch (role) {
    case Role::reactor:
      return "the reactor";
    case Role::reader:
      return "a reader";
    case Role::replay:
      return "the replay";
    case Role::replay_with_report:
      return "the replay, which writes a report";
    case Role::replay_reader:
      return "a reader of the replay";
  }
  return "a thread";
}

std::vector<AllowedCall> allowed_calls(Role role, bool syslog) {
  Calls calls = every_thread();
  switch (role) {
    case Role::reactor:
      append(calls, event_loop());
      append(calls, links());
      append(calls, spare_sockets());
      break;
    case Role::reader:
      append(calls, reader());
      break;
    case Role::replay:
      append(calls, replay());
      break;
    case Role::replay_with_report:
      append(calls, replay());
      append(calls, report());
      break;
    case Role::replay_reader:
      break;
  }
  const bool logs =
      role == Role::reactor || role == Role::replay || role == Role::replay_with_report;
  if (logs && syslog) append(calls, system_log());
  return calls;
}

std::span<const char* const> denied_calls() noexcept {
  return kDenied;
}

std::span<const char* const> deadly_calls() noexcept {
  return kDeadly;
}

}  // namespace tcpeek::engine
