// What the service manager gets, as it arrives at a socket like its own.
#include "engine/output/systemd_notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ring/descriptor.h"
#include "tests/engine/base/environment.h"
#include "tests/engine/base/text_file.h"
#include "tests/engine/process/child.h"
#include "tests/ipc/support.h"

namespace tcpeek::engine {
namespace {

using std::chrono::milliseconds;
using test::Environment;
using test::TextFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Listens where NOTIFY_SOCKET says; an abstract name, so that nothing is left behind.
class Manager {
 public:
  Manager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // With no name given, the kernel chooses one: a zero byte and five digits.
    socklen_t size = sizeof address.sun_family;
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
      ring::throw_errno("bind");
    }
    size = sizeof address;
    if (::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      ring::throw_errno("getsockname");
    }
    name_.assign(address.sun_path, size - sizeof address.sun_family);
    name_.front() = '@';
  }

  [[nodiscard]] const char* name() const { return name_.c_str(); }

  // The datagrams that have come since the last look.
  std::vector<std::string> told() {
    std::vector<std::string> messages;
    std::array<char, 4096> buffer{};
    for (;;) {
      const auto n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (n < 0) return messages;
      messages.emplace_back(buffer.data(), static_cast<std::size_t>(n));
    }
  }

 private:
  ring::Descriptor socket_;
  std::string name_;
};

ipc::Snapshot snapshot(std::uint64_t attempts) {
  ipc::Snapshot s;
  s.totals[ipc::Tally::attempts] = attempts;
  s.totals[ipc::Tally::pending] = attempts;
  return s;
}

class SystemdNotifierTest : public testing::Test {
 protected:
  SystemdNotifierTest() : writer_(said_.descriptor()), log_(writer_, LOG_DEBUG, false) {}

  Manager manager_;
  Environment notify_{"NOTIFY_SOCKET", manager_.name()};
  Environment watchdog_time_{"WATCHDOG_USEC", nullptr};
  Environment watchdog_pid_{"WATCHDOG_PID", nullptr};
  TextFile said_;
  LineWriter writer_;
  Log log_;
  const SystemdNotifier::Clock::time_point start_ = SystemdNotifier::Clock::now();
};

TEST_F(SystemdNotifierTest, TellsWhenItIsReadyAndWhenItStops) {
  SystemdNotifier service(log_);
  EXPECT_THAT(manager_.told(), IsEmpty());
  service.ready(snapshot(1));
  EXPECT_THAT(manager_.told(),
              ElementsAre("READY=1\nSTATUS=1 attempt: 0 successes, 0 failures, 1 pending; "
                          "0 packets dropped"));
  service.stopping();
  EXPECT_THAT(manager_.told(), ElementsAre("STOPPING=1"));
  EXPECT_EQ(said_.text(), "");
}

TEST_F(SystemdNotifierTest, StatusIsToldWhenItChangesAndNotTooOften) {
  SystemdNotifier service(log_);
  service.ready(snapshot(1));
  static_cast<void>(manager_.told());
  const auto later = [&](int ms) { return start_ + milliseconds(ms); };
  service.alive(snapshot(2), later(1000));
  service.alive(snapshot(1), later(9000));
  EXPECT_THAT(manager_.told(), IsEmpty()) << "too early, then nothing new";
  service.alive(snapshot(3), later(10000));
  EXPECT_THAT(manager_.told(), ElementsAre(HasSubstr("STATUS=3 attempts")));
  service.alive(snapshot(4), later(11999));
  EXPECT_THAT(manager_.told(), IsEmpty());
  service.alive(snapshot(4), later(12000));
  EXPECT_THAT(manager_.told(), ElementsAre(HasSubstr("STATUS=4 attempts")));
}

TEST_F(SystemdNotifierTest, KeepsTheWatchdogQuiet) {
  const std::string own = std::to_string(::getpid());
  const Environment time("WATCHDOG_USEC", "20000000");
  const Environment pid("WATCHDOG_PID", own.c_str());
  SystemdNotifier service(log_);
  service.ready(snapshot(0));
  static_cast<void>(manager_.told());
  for (int second = 1; second <= 5; ++second) {
    service.alive(snapshot(0), start_ + std::chrono::seconds(second));
    EXPECT_THAT(manager_.told(), ElementsAre("WATCHDOG=1\n")) << second;
  }
  service.alive(snapshot(1), start_ + std::chrono::seconds(6));
  EXPECT_THAT(manager_.told(), ElementsAre("WATCHDOG=1\nSTATUS=1 attempt: 0 successes, 0 failures, "
                                           "1 pending; 0 packets dropped"));
}

// As long as not every reader has answered, the manager is not told that all is well.
TEST_F(SystemdNotifierTest, AStatusIsNoKeepAlive) {
  const Environment time("WATCHDOG_USEC", "20000000");
  SystemdNotifier service(log_);
  EXPECT_EQ(service.watchdog(), std::chrono::seconds(20));
  service.ready(snapshot(0));
  static_cast<void>(manager_.told());
  service.status(snapshot(0), start_ + std::chrono::seconds(10));
  EXPECT_THAT(manager_.told(), IsEmpty()) << "nothing new";
  service.status(snapshot(3), start_ + std::chrono::seconds(20));
  EXPECT_THAT(manager_.told(), ElementsAre("STATUS=3 attempts: 0 successes, 0 failures, "
                                           "3 pending; 0 packets dropped"));
}

TEST_F(SystemdNotifierTest, AnotherProcessesWatchdogIsNotOurs) {
  const Environment time("WATCHDOG_USEC", "20000000");
  const Environment pid("WATCHDOG_PID", "1");
  SystemdNotifier service(log_);
  service.alive(snapshot(0));
  for (const std::string& message : manager_.told()) {
    EXPECT_THAT(message, testing::Not(HasSubstr("WATCHDOG")));
  }
}

TEST_F(SystemdNotifierTest, SaysNothingWithoutAManager) {
  const Environment none("NOTIFY_SOCKET", nullptr);
  const Environment time("WATCHDOG_USEC", "20000000");
  SystemdNotifier service(log_);
  service.ready(snapshot(1));
  service.alive(snapshot(2));
  service.stopping();
  EXPECT_THAT(manager_.told(), IsEmpty());
  EXPECT_EQ(said_.text(), "");
}

TEST_F(SystemdNotifierTest, AManagerThatIsGoneIsReportedOnce) {
  const Environment gone("NOTIFY_SOCKET", "/nonexistent/tcpeek/notify");
  SystemdNotifier service(log_);
  service.ready(snapshot(1));
  service.stopping();
  EXPECT_THAT(
      said_.lines(),
      ElementsAre("tcpeek: cannot notify the service manager (NOTIFY_SOCKET): No such file or "
                  "directory; it may restart tcpeek for no reason"));
}

// systemd's own queue takes many messages, other managers' ten; blocking on one that does not read would
// stop all replies.
TEST_F(SystemdNotifierTest, AManagerThatReadsNothingIsNotWaitedFor) {
  const Environment time("WATCHDOG_USEC", "20000000");
  SystemdNotifier service(log_);
  for (int second = 1; second <= 5000; ++second) {
    service.alive(snapshot(0), start_ + std::chrono::seconds(second));
  }
  EXPECT_THAT(said_.lines(), ElementsAre(HasSubstr("Resource temporarily unavailable; it may")));
  EXPECT_FALSE(manager_.told().empty());
  service.alive(snapshot(0), start_ + std::chrono::seconds(5001));
  EXPECT_THAT(manager_.told(), ElementsAre("WATCHDOG=1\n")) << "heard again when it reads again";
}

// A healthy tcpeek must not be killed because the machine is out of descriptors.
TEST_F(SystemdNotifierTest, NoDescriptorIsNeededToSayThatItLives) {
  const Environment time("WATCHDOG_USEC", "20000000");
  const std::string said = test::in_child([&] {
    SystemdNotifier service(log_);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NOFILE, &none);
    service.alive(snapshot(0), {});
    return "tried";
  });
  EXPECT_EQ(said, "tried");
  EXPECT_THAT(manager_.told(), ElementsAre("WATCHDOG=1\n"));
}

TEST_F(SystemdNotifierTest, AManagerByItsPath) {
  const ipc::test::TempDir folder;
  const std::string path = folder / "notify";
  const ring::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const Environment at("NOTIFY_SOCKET", path.c_str());
  SystemdNotifier(log_).stopping();
  std::array<char, 64> buffer{};
  EXPECT_EQ(::recv(socket.get(), buffer.data(), buffer.size(), 0), 10);
  EXPECT_STREQ(buffer.data(), "STOPPING=1");
}

TEST_F(SystemdNotifierTest, ManagersThatCannotBeReachedAreReported) {
  const std::string long_path = "/" + std::string(200, 'x');
  for (const auto& [name, why] : {std::pair<std::string, const char*>{"", "Address family"},
                                  {"vsock:2:9999", "Address family"},
                                  {long_path, "File name too long"}}) {
    const TextFile said;
    LineWriter writer(said.descriptor());
    Log log(writer, LOG_DEBUG, false);
    const Environment at("NOTIFY_SOCKET", name.c_str());
    SystemdNotifier service(log);
    service.ready(snapshot(1));
    EXPECT_THAT(said.lines(), ElementsAre(HasSubstr(why))) << name;
  }
}

TEST_F(SystemdNotifierTest, AWatchdogTimeThatIsNoneIsNone) {
  for (const char* value : {"0", "", "soon", "20s", "-1"}) {
    const Environment time("WATCHDOG_USEC", value);
    SystemdNotifier service(log_);
    service.ready(snapshot(0));
    static_cast<void>(manager_.told());
    service.alive(snapshot(0), start_ + std::chrono::seconds(10));
    EXPECT_THAT(manager_.told(), IsEmpty()) << value;
  }
}

TEST(StatusLineTest, TellsEachThingInWords) {
  ipc::Snapshot s;
  EXPECT_EQ(status_line(s), "0 attempts: 0 successes, 0 failures, 0 pending; 0 packets dropped");
  s.totals[ipc::Tally::attempts] = 12;
  s.totals[ipc::Tally::success] = 1;
  s.totals[ipc::Tally::refused] = 1;
  s.totals[ipc::Tally::aborted] = 1;
  s.totals[ipc::Tally::timed_out_no_answer] = 1;
  s.totals[ipc::Tally::timed_out_no_ack] = 1;
  s.totals[ipc::Tally::unreachable] = 1;
  s.totals[ipc::Tally::evicted] = 2;
  s.totals[ipc::Tally::pending] = 4;
  s.packets.dropped = 1;
  using ipc::InterfaceState;
  s.interfaces = {{.name = "eth0", .link_type = {}, .state = InterfaceState::up},
                  {.name = "eth1", .link_type = {}, .state = InterfaceState::down},
                  {.name = "eth2", .link_type = {}, .state = InterfaceState::no_carrier},
                  {.name = "eth3", .link_type = {}, .state = InterfaceState::gone}};
  EXPECT_EQ(status_line(s),
            "12 attempts: 1 success, 5 failures, 4 pending; 1 packet dropped; 2 attempts evicted; "
            "eth1 is down; eth2 has no carrier; eth3 is gone");
  // The manager takes UTF-8 alone, and a line is a variable of its own.
  s.interfaces = {{.name = "e\x1b\xff", .link_type = {}, .state = InterfaceState::gone}};
  EXPECT_THAT(status_line(s), testing::EndsWith("; e\\x1b\\xff is gone"));
}

}  // namespace
}  // namespace tcpeek::engine
