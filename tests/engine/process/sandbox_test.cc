// What the filters let through and what they refuse, by threads that make the calls.
#include "engine/process/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "tests/engine/process/sandboxed.h"

namespace tcpeek::engine {
namespace {

using test::End;
using test::end_of;
using test::kAllRoles;
using test::SandboxTest;
using ::testing::HasSubstr;

struct Call {
  const char* name;  // as printed
  void (*make)();
};

constexpr std::size_t kPage = 4096;

void set_option(int level, int name) {
  const int one = 1;
  ::setsockopt(0, level, name, &one, sizeof one);
}

void get_option(int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  ::getsockopt(0, level, name, &value, &size);
}

void take_signal(int number) {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  ::sigaction(number, &action, nullptr);
}

// Not one of the threads needs these.
const std::vector<Call> kRefusedToAll{
    {"socket", [] { ::socket(AF_INET, SOCK_STREAM, 0); }},
    {"socket", [] { ::socket(AF_INET6, SOCK_DGRAM, 0); }},
    {"socket", [] { ::socket(AF_PACKET, SOCK_RAW, 0); }},
    {"socket", [] { ::socket(AF_VSOCK, SOCK_STREAM, 0); }},
    {"socket", [] { ::socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER); }},
    {"socket", [] { ::socket(AF_UNIX, SOCK_STREAM, 0); }},
    {"socketpair", [] { ::socketpair(AF_UNIX, SOCK_STREAM, 0, nullptr); }},
    {"listen", [] { ::listen(0, 1); }},
    {"memfd_create", [] { ::memfd_create("x", 0); }},
    {"mmap",
     [] { ::mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }},
    {"mprotect", [] { ::mprotect(nullptr, kPage, PROT_READ | PROT_EXEC); }},
    {"mremap", [] { ::syscall(SYS_mremap, 0, kPage, kPage, 0, 0); }},
    {"kill", [] { ::kill(::getpid(), 0); }},
    {"tgkill", [] { ::syscall(SYS_tgkill, ::getpid(), ::gettid(), SIGKILL); }},
    {"tgkill", [] { ::syscall(SYS_tgkill, 1, 1, SIGABRT); }},
    {"rt_sigaction", [] { take_signal(SIGSYS); }},
    {"rt_sigaction", [] { take_signal(SIGSEGV); }},
    {"rt_sigaction", [] { take_signal(SIGTERM); }},
    {"prctl", [] { ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }},
    {"ioctl", [] { ::ioctl(0, TIOCSTI, "x"); }},
    {"fcntl", [] { ::fcntl(0, F_SETFL, 0); }},
    {"setsockopt", [] { set_option(SOL_SOCKET, SO_MARK); }},
    {"setsockopt", [] { set_option(SOL_PACKET, PACKET_TX_RING); }},
    {"getsockopt", [] { get_option(SOL_SOCKET, SO_PEERSEC); }},
    {"chmod", [] { ::syscall(SYS_fchmodat, AT_FDCWD, "/", 0); }},
    {"rename", [] { ::syscall(SYS_renameat2, AT_FDCWD, "/x", AT_FDCWD, "/y", 0); }},
    {"clock_settime", [] { ::syscall(SYS_clock_settime, CLOCK_REALTIME, nullptr); }},
    {"sendfile", [] { ::syscall(SYS_sendfile, 1, 0, nullptr, 1); }},
    {"dup3", [] { ::dup3(0, 9, 0); }},
    {"500", [] { ::syscall(500); }},
};

TEST_F(SandboxTest, WhatNobodyNeedsEndsTheProcessWithAWordAboutIt) {
  for (const Role role : kAllRoles) {
    for (const Call& call : kRefusedToAll) {
      const End end = end_of(role, call.make);
      EXPECT_EQ(end.how, test::kBySigsys) << name_of(role) << ' ' << call.name;
      EXPECT_THAT(end.said, HasSubstr(std::string("tcpeek: stopped: ") + name_of(role) +
                                      " made the system call "));
      EXPECT_THAT(end.said, HasSubstr(call.name));
      EXPECT_EQ(test::lines_of(end.said).size(), 1U) << end.said;
    }
  }
}

// glibc blocks all signals meanwhile, so nothing is printed.
TEST_F(SandboxTest, NobodyStartsThreads) {
  for (const Role role : kAllRoles) {
    EXPECT_EQ(end_of(role, [] { std::thread([] {}).join(); }).how, test::kBySigsys);
  }
}

TEST_F(SandboxTest, TheLineSaysWhatHappenedAndWhatToDo) {
  EXPECT_EQ(end_of(Role::reader, [] { ::socket(AF_INET, SOCK_STREAM, 0); }).said,
            "tcpeek: stopped: a reader made the system call socket in a way that its filter does "
            "not allow; this is a bug in tcpeek's filter: please report it; --no-seccomp runs "
            "without filters\n");
}

TEST_F(SandboxTest, TheJournalGetsToSeeHowGraveItIs) {
  const test::TextFile said;
  const std::string how = test::in_child([&] {
    struct stat status {};
    if (::dup2(said.descriptor(), STDERR_FILENO) < 0 || ::fstat(STDERR_FILENO, &status) != 0) {
      return "no standard error";
    }
    const std::string stream = std::to_string(status.st_dev) + ':' + std::to_string(status.st_ino);
    ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
    test::forbid_new_privileges();
    Sandbox({Role::reader}, false).enter(Role::reader);
    ::socket(AF_INET, SOCK_STREAM, 0);
    return "lives";
  });
  EXPECT_EQ(how, test::kBySigsys);
  EXPECT_THAT(said.text(), testing::StartsWith("<2>tcpeek: stopped: a reader made"));
}

// malloc() tries it now and then, and can do without.
TEST_F(SandboxTest, OpeningAFileFailsAndDoesNoHarm) {
  for (const Role role : kAllRoles) {
    const End end = end_of(role, [] {
      for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR | O_CREAT, O_PATH}) {
        if (::open("/dev/null", flags, 0600) >= 0 || errno != EACCES) std::abort();
      }
    });
    EXPECT_EQ(end.how, "lives") << name_of(role);
    EXPECT_EQ(end.said, "");
  }
}

// No code of the process runs after these, not even what would tell of them.
#ifdef __x86_64__
void call_as_i386() {
  long result = 20;  // getpid
  asm volatile("int $0x80" : "+a"(result) : : "memory");
}

bool kernel_knows_i386() {
  const std::string how = test::in_child([] {
    call_as_i386();
    return "lives";
  });
  return how == "lives";
}
#endif

TEST_F(SandboxTest, WhatOnlyAnIntruderWouldDoEndsTheProcessAtOnce) {
  std::vector<Call> deadly{
      {"execve", [] { ::execl("/bin/true", "true", nullptr); }},
      {"execveat", [] { ::syscall(SYS_execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH); }},
      {"ptrace", [] { ::syscall(SYS_ptrace, 0, 0, 0, 0); }},
      {"process_vm_readv", [] { ::syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0); }},
      {"setuid", [] { ::syscall(SYS_setuid, 0); }},
      {"unshare", [] { ::unshare(CLONE_NEWUSER); }},
      {"mount", [] { ::syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }},
      {"bpf", [] { ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"io_uring_setup", [] { ::syscall(SYS_io_uring_setup, 1, nullptr); }},
#ifdef __x86_64__
      {"fork", [] { ::syscall(SYS_fork); }},
      {"x32 getpid", [] { ::syscall(0x4000'0000 | SYS_getpid); }},
#endif
  };
#ifdef __x86_64__
  if (kernel_knows_i386()) deadly.push_back({"i386 getpid", call_as_i386});
#endif
  for (const Role role : kAllRoles) {
    for (const Call& call : deadly) {
      const End end = end_of(role, call.make);
      EXPECT_EQ(end.how, test::kBySigsys) << name_of(role) << ' ' << call.name;
      EXPECT_EQ(end.said, "") << name_of(role) << ' ' << call.name;
    }
  }
}

// The event loop's calls: what the reactor may do and its readers may not.
const std::vector<Call> kReactorsAlone{
    {"socket", [] { ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }},
    {"bind", [] { ::bind(0, nullptr, 0); }},
    {"getsockname", [] { ::getsockname(0, nullptr, nullptr); }},
    {"accept", [] { ::accept(0, nullptr, nullptr); }},
    {"recvfrom", [] { ::recv(0, nullptr, 0, 0); }},
    {"recvmsg", [] { ::recvmsg(0, nullptr, 0); }},
    {"sendto", [] { ::send(0, nullptr, 0, 0); }},
    {"sendmsg", [] { ::sendmsg(0, nullptr, 0); }},
    {"shutdown", [] { ::shutdown(0, SHUT_WR); }},
    {"epoll_ctl", [] { ::epoll_ctl(0, EPOLL_CTL_ADD, 0, nullptr); }},
    {"epoll", [] { ::epoll_wait(0, nullptr, 0, 0); }},
    {"timerfd_settime", [] { ::timerfd_settime(0, 0, nullptr, nullptr); }},
    {"ioctl",
     [] {
       int on = 1;
       ::ioctl(-1, FIONBIO, &on);
     }},
    {"unlink", [] { ::unlink("/no/such/file"); }},
    {"newfstatat", [] { ::syscall(SYS_newfstatat, AT_FDCWD, "/", nullptr, 0); }},
    {"mmap", [] { ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, -1, 0); }},
    {"setsockopt", [] { set_option(SOL_PACKET, PACKET_RX_RING); }},
    {"setsockopt", [] { set_option(SOL_SOCKET, SO_ATTACH_BPF); }},
    {"setsockopt", [] { set_option(SOL_PACKET, PACKET_FANOUT); }},
    {"setsockopt", [] { set_option(SOL_PACKET, PACKET_ADD_MEMBERSHIP); }},
    {"getsockopt", [] { get_option(SOL_PACKET, PACKET_FANOUT); }},
};

TEST_F(SandboxTest, ReadersMayDoLessThanTheReactor) {
  for (const Call& call : kReactorsAlone) {
    EXPECT_EQ(end_of(Role::reactor, call.make).how, "lives") << call.name;
    for (const Role role : {Role::reader, Role::replay, Role::replay_reader}) {
      const End end = end_of(role, call.make);
      EXPECT_EQ(end.how, test::kBySigsys) << name_of(role) << ' ' << call.name;
      EXPECT_THAT(end.said, HasSubstr(call.name));
    }
  }
}

// Whom it talks to came to it or was found at the start.
TEST_F(SandboxTest, NoThreadTurnsToAnybody) {
  const std::vector<Call> calls{
      {"socket", [] { ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }},
      {"socket", [] { ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); }},
      {"socket", [] { ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); }},
      {"connect", [] { ::connect(0, nullptr, 0); }},
  };
  for (const Role role : kAllRoles) {
    for (const Call& call : calls) {
      const End end = end_of(role, call.make);
      EXPECT_EQ(end.how, test::kBySigsys) << name_of(role) << ' ' << call.name;
      EXPECT_THAT(end.said, HasSubstr(call.name));
    }
  }
}

// A descriptor of a client or of a file, in the hands of a reader, is worth eight bytes a call.
TEST_F(SandboxTest, AReaderReadsAndWritesEventsOnly) {
  static const int event = ::eventfd(1, EFD_NONBLOCK);
  static std::array<char, 16> bytes{};
  const auto read_event = [] { static_cast<void>(!::read(event, bytes.data(), 8)); };
  const auto write_event = [] { static_cast<void>(!::write(event, bytes.data(), 8)); };
  const auto read_more = [] { static_cast<void>(!::read(event, bytes.data(), 9)); };
  const auto write_more = [] { static_cast<void>(!::write(event, bytes.data(), 9)); };
  EXPECT_EQ(end_of(Role::reader, read_event).how, "lives");
  EXPECT_EQ(end_of(Role::reader, write_event).how, "lives");
  EXPECT_THAT(end_of(Role::reader, read_more).said, HasSubstr("call read"));
  EXPECT_THAT(end_of(Role::reader, write_more).said, HasSubstr("call write"));
  EXPECT_EQ(end_of(Role::replay, read_more).how, "lives");
  EXPECT_EQ(end_of(Role::replay, write_more).how, "lives");
  EXPECT_THAT(end_of(Role::replay_reader, read_event).said, HasSubstr("call read"));
  EXPECT_THAT(end_of(Role::replay_reader, write_event).said, HasSubstr("call write"));
}

TEST_F(SandboxTest, AReaderMayDoItsWork) {
  static const int event = ::eventfd(1, EFD_NONBLOCK);
  const End end = end_of(Role::reader, [] {
    pollfd polled{event, POLLIN, 0};
    ::poll(&polled, 1, 10);
    get_option(SOL_PACKET, PACKET_STATISTICS);
    get_option(SOL_SOCKET, SO_ERROR);
    set_option(SOL_SOCKET, SO_ATTACH_FILTER);
  });
  EXPECT_EQ(end.how, "lives");
  EXPECT_EQ(end.said, "");
}

TEST_F(SandboxTest, AReplayMayLookAtItsFiles) {
  static const int file = ::open("/proc/self/exe", O_RDONLY);
  const End end = end_of(Role::replay, [] {
    std::array<char, 64> bytes{};
    struct stat status {};
    pollfd polled{file, POLLIN, 0};
    const bool works = ::read(file, bytes.data(), bytes.size()) == 64 &&
                       ::fstat(file, &status) == 0 && ::poll(&polled, 1, 0) == 1 &&
                       ::close(file) == 0;
    if (!works) std::abort();
  });
  EXPECT_EQ(end.how, "lives") << end.said;
}

TEST_F(SandboxTest, OnlySyslogConnectsToStreams) {
  const auto open_stream = [] { ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); };
  const auto send = [] { ::send(0, nullptr, 0, MSG_NOSIGNAL); };
  for (const Role role : {Role::reactor, Role::replay}) {
    EXPECT_EQ(end_of(role, open_stream, false).how, test::kBySigsys);
    EXPECT_EQ(end_of(role, open_stream, true).how, "lives");
    EXPECT_EQ(end_of(role, send, true).how, "lives");
  }
  for (const Role role : {Role::reader, Role::replay_reader}) {
    EXPECT_EQ(end_of(role, open_stream, true).how, test::kBySigsys);
    EXPECT_EQ(end_of(role, send, true).how, test::kBySigsys);
  }
}

}  // namespace
}  // namespace tcpeek::engine
