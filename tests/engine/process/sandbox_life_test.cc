// The filters around a thread's life: how it allocates, waits and ends; several at once; where there are
// none; and that the lists name calls that exist.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <array>
#include <barrier>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <latch>
#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/process/privileges.h"
#include "tests/engine/process/sandboxed.h"

namespace tcpeek::engine {
namespace {

using test::End;
using test::end_of;
using test::kAllRoles;
using test::SandboxTest;
using ::testing::HasSubstr;

// Small and large, kept and given back, in a thread's own arena.
void allocate() {
  std::vector<std::unique_ptr<std::vector<char>>> kept;
  for (std::size_t size = 16; size < std::size_t{64} << 20; size *= 2) {
    kept.push_back(std::make_unique<std::vector<char>>(size, 'x'));
    kept.push_back(std::make_unique<std::vector<char>>(size + 1, 'y'));
    if (kept.size() % 3 == 0) kept.erase(kept.begin());
  }
}

TEST_F(SandboxTest, EveryThreadMayAllocate) {
  for (const Role role : kAllRoles) {
    const End end = end_of(role, allocate);
    EXPECT_EQ(end.how, "lives") << name_of(role) << ' ' << end.said;
  }
}

// With many threads malloc() asks how many CPUs there are; and it shrinks heaps that are not the first.
TEST_F(SandboxTest, ManyReadersAllocateWaitForEachOtherAndEnd) {
  const test::TextFile said;
  const std::string how = test::in_child([&] {
    ::dup2(said.descriptor(), STDERR_FILENO);
    test::forbid_new_privileges();
    constexpr int kReaders = 40;
    const Sandbox sandbox({Role::reader}, false);
    std::latch entered(kReaders);
    std::barrier<> step(kReaders);
    std::vector<std::thread> threads;
    for (int i = 0; i < kReaders; ++i) {
      threads.emplace_back([&] {
        sandbox.enter(Role::reader);
        entered.arrive_and_wait();
        const std::vector<char> memory(1 << 16, 'z');
        step.arrive_and_wait();
      });
    }
    for (std::thread& thread : threads) thread.join();
    return "lives";
  });
  EXPECT_EQ(how, "lives") << said.text();
}

// As in the program: readers first, each with its own filter, then the thread that started them.
TEST_F(SandboxTest, EachThreadHasItsOwnFilter) {
  const auto run = [](bool reader_oversteps) {
    const test::TextFile said;
    const std::string how = test::in_child([&]() -> std::string {
      ::dup2(said.descriptor(), STDERR_FILENO);
      test::forbid_new_privileges();
      const Sandbox sandbox({Role::reactor, Role::reader}, false);
      std::latch entered(2);
      std::latch answered(1);
      std::thread reader([&] {
        sandbox.enter(Role::reader);
        entered.arrive_and_wait();
        answered.wait();
        if (reader_oversteps) ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
      });
      entered.count_down();
      entered.wait();
      sandbox.enter(Role::reactor);
      const bool works = ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0;
      answered.count_down();
      reader.join();
      return works ? "lives" : "no socket";
    });
    return End{how, said.text()};
  };
  EXPECT_EQ(run(false).how, "lives");
  const End end = run(true);
  EXPECT_EQ(end.how, test::kBySigsys);
  EXPECT_THAT(end.said, HasSubstr("a reader made the system call socket"));
}

TEST_F(SandboxTest, EveryThreadMayDieOfItsOwnErrors) {
  for (const Role role : kAllRoles) {
    EXPECT_EQ(end_of(role, [] { std::abort(); }).how, test::kByAbort) << name_of(role);
    const End thrown = end_of(role, [] { throw std::runtime_error("the last straw"); });
    EXPECT_EQ(thrown.how, test::kByAbort) << name_of(role) << thrown.said;
    EXPECT_THAT(thrown.said, HasSubstr("the last straw"));
    const End failed = end_of(role, [] { __assert_fail("truth", "file", 1, "function"); });
    EXPECT_EQ(failed.how, test::kByAbort) << name_of(role) << failed.said;
    EXPECT_THAT(failed.said, HasSubstr("Assertion `truth' failed"));
    const End damaged = end_of(role, [] {
      char* volatile memory = static_cast<char*>(std::calloc(64, 1));
      memory = memory + 8;  // where no block can begin
      std::free(memory);
    });
    EXPECT_EQ(damaged.how, test::kByAbort) << name_of(role) << damaged.said;
    EXPECT_THAT(damaged.said, HasSubstr("free(): invalid pointer"));
    const End starved = end_of(role, [] {
      try {
        static_cast<void>(std::vector<char>(std::size_t{1} << 60));
      } catch (const std::bad_alloc&) {
        std::fputs("out of memory\n", stderr);
      }
    });
    EXPECT_EQ(starved.how, "lives") << name_of(role) << starved.said;
    EXPECT_EQ(starved.said, "out of memory\n");
  }
}

TEST_F(SandboxTest, LocalTimeIsKnownBefore) {
  const End end = end_of(Role::reactor, [] {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    if (::localtime_r(&now, &local) == nullptr) std::abort();
  });
  EXPECT_EQ(end.how, "lives") << end.said;
}

// A daemon that was restarted is connected to again, after everything is set up.
TEST_F(SandboxTest, SyslogGoesOnWhenItsDaemonIsRestarted) {
  const test::TextFile said;
  const std::string how = test::in_child([&]() -> std::string {
    ::dup2(said.descriptor(), STDERR_FILENO);
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev", "tmpfs", 0, nullptr) != 0) {
      return "cannot mount";
    }
    const auto listen = [] {
      ::unlink("/dev/log");
      ring::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
      const sockaddr_un address{AF_UNIX, "/dev/log"};
      if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ring::throw_errno("bind");
      }
      return socket;
    };
    const auto received = [](const ring::Descriptor& socket) {
      std::array<char, 256> text{};
      const auto n = ::recv(socket.get(), text.data(), text.size(), 0);
      return n > 0 ? std::string(text.data(), static_cast<std::size_t>(n)) : "nothing";
    };
    const Sandbox sandbox({Role::reactor}, true);
    std::barrier<> step(2);
    ring::Descriptor daemon = listen();
    std::thread thread([&] {
      LineWriter writer(STDERR_FILENO);
      Log log(writer, LOG_DEBUG, true);
      test::forbid_new_privileges();
      sandbox.enter(Role::reactor);
      log.notice("one");
      step.arrive_and_wait();
      step.arrive_and_wait();
      log.notice("two");
    });
    step.arrive_and_wait();
    const std::string one = received(daemon);
    daemon = ring::Descriptor();
    daemon = listen();
    step.arrive_and_wait();
    thread.join();
    return one + " / " + received(daemon);
  });
  if (how == "cannot mount") GTEST_SKIP() << how;
  EXPECT_THAT(how, ::testing::MatchesRegex("<29>.*: one / <29>.*: two")) << said.text();
}

// seccomp(operation) fails with `error`, as in a container that forbids it.
void forbid_seccomp(unsigned operation, unsigned error) {
  test::forbid_new_privileges();
  const std::array<sock_filter, 6> code{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, operation, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{code.size(), const_cast<sock_filter*>(code.data())};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    ring::throw_errno("seccomp");
  }
}

// The kernel has none (ENOSYS, EINVAL), or a container refuses them.
TEST_F(SandboxTest, WithoutFiltersInTheKernelItIsAnErrorThatNamesTheOnlyWay) {
  for (const int error : {ENOSYS, EPERM, EINVAL}) {
    const std::string how = test::in_child([&] {
      forbid_seccomp(SECCOMP_GET_ACTION_AVAIL, static_cast<unsigned>(error));
      static_cast<void>(Sandbox({Role::reader}, false));
      return "made";
    });
    EXPECT_EQ(how,
              "threw: cannot filter system calls, as the kernel or the container does not allow it "
              "(--no-seccomp runs without filters): " +
                  std::generic_category().message(error));
  }
}

TEST_F(SandboxTest, AFilterThatIsNotTakenIsAnError) {
  const std::string how = test::in_child([] {
    forbid_seccomp(SECCOMP_SET_MODE_FILTER, ENOMEM);
    const Sandbox sandbox({Role::reader}, false);
    sandbox.enter(Role::reader);
    return "entered";
  });
  EXPECT_EQ(
      how,
      "threw: cannot load the system call filter of a reader (--no-seccomp runs without filters): "
      "Cannot allocate memory");
}

TEST_F(SandboxTest, OneThatFiltersNothingLetsEverythingPass) {
  const std::string how = test::in_child([] {
    Sandbox().enter(Role::reader);
    return ::socket(AF_INET, SOCK_DGRAM, 0) >= 0 ? "unfiltered" : "filtered";
  });
  EXPECT_EQ(how, "unfiltered");
}

TEST_F(SandboxTest, ThisBuildFilters) {
  EXPECT_TRUE(Sandbox::supported_by_build());
}

bool exists(const char* call) {
  return seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, call) >= 0 ||
         seccomp_syscall_resolve_name_arch(SCMP_ARCH_AARCH64, call) >= 0;
}

TEST(SeccompPolicyTest, EveryNameIsACallOfX8664OrArm64) {
  const std::set<std::string> deadly(deadly_calls().begin(), deadly_calls().end());
  for (const std::string& name : deadly) EXPECT_TRUE(exists(name.c_str())) << name;
  for (const char* name : denied_calls()) EXPECT_TRUE(exists(name) && !deadly.contains(name));
  for (const Role role : kAllRoles) {
    for (const AllowedCall& call : allowed_calls(role, true)) {
      EXPECT_TRUE(exists(call.name)) << call.name;
      EXPECT_FALSE(deadly.contains(call.name)) << call.name;
    }
  }
}

// What glibc calls on arm64 in place of x86-64's older calls.
TEST(SeccompPolicyTest, Arm64HasAWayToDoTheSame) {
  const std::vector<std::pair<const char*, const char*>> pairs{{"poll", "ppoll"},
                                                               {"epoll_wait", "epoll_pwait"},
                                                               {"unlink", "unlinkat"},
                                                               {"lstat", "newfstatat"}};
  for (const Role role : kAllRoles) {
    std::set<std::string> names;
    for (const AllowedCall& call : allowed_calls(role, true)) names.insert(call.name);
    for (const auto& [old, now] : pairs) {
      EXPECT_TRUE(!names.contains(old) || names.contains(now)) << name_of(role) << ' ' << now;
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
