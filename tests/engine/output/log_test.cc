// Which messages are shown at which level, where, and in which order among the live lines.
#include "engine/output/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/engine/base/text_file.h"
#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

using test::TextFile;
using ::testing::ElementsAre;

TEST(LogTest, ShowsItsLevelAndGraverOnes) {
  for (int level = LOG_EMERG; level <= LOG_DEBUG; ++level) {
    for (int severity = LOG_EMERG; severity <= LOG_DEBUG; ++severity) {
      const TextFile file;
      LineWriter writer(file.descriptor());
      Log log(writer, level, false);
      log.write(severity, "message");
      EXPECT_EQ(file.text(), severity <= level ? "tcpeek: message\n" : "")
          << "severity " << severity << ", level " << level;
    }
  }
}

TEST(LogTest, EachCallHasItsSeverity) {
  const std::vector<std::string> all{"tcpeek: error 3", "tcpeek: warning 4", "tcpeek: notice 5",
                                     "tcpeek: info 6", "tcpeek: debug 7"};
  for (int level = LOG_EMERG; level <= LOG_DEBUG; ++level) {
    const TextFile file;
    LineWriter writer(file.descriptor());
    Log log(writer, level, false);
    log.error("error {}", 3);
    log.warning("warning {}", 4);
    log.notice("notice {}", 5);
    log.info("info {}", 6);
    log.debug("debug {}", 7);
    const auto shown = static_cast<std::ptrdiff_t>(std::max(level - LOG_ERR + 1, 0));
    EXPECT_EQ(file.lines(), std::vector(all.begin(), all.begin() + shown)) << "level " << level;
  }
}

TEST(LogTest, AMessageIsNoFormat) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  Log log(writer, LOG_DEBUG, false);
  log.write(LOG_ERR, "{} %s {0:x} %n");
  log.error("{}", "{} %n");
  log.write(LOG_ERR, "");
  EXPECT_THAT(file.lines(), ElementsAre("tcpeek: {} %s {0:x} %n", "tcpeek: {} %n", "tcpeek: "));
}

// Whatever a message quotes: an interface's name may hold any of these but the newline.
TEST(LogTest, DrivesNoTerminal) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  Log log(writer, LOG_DEBUG, false);
  log.warning("{} is down", "\x1b[31mlo\xe2\x80\xae\xff\xc2\x9b");
  log.error("{}", "one line\n  and another\r");
  EXPECT_THAT(file.lines(), ElementsAre("tcpeek: \\x1b[31mlo\\xe2\\x80\\xae\\xff\\xc2\\x9b is down",
                                        "tcpeek: one line", "  and another\\x0d"));
}

TEST(LogTest, KeepsItsPlaceAmongTheLiveLines) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  Log log(writer, LOG_NOTICE, false);
  std::vector<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    writer.line("live " + std::to_string(i));
    log.notice("message {}", i);
    log.debug("hidden");
    expected.push_back("live " + std::to_string(i));
    expected.push_back("tcpeek: message " + std::to_string(i));
  }
  EXPECT_EQ(file.lines(), expected);
  EXPECT_EQ(writer.lost(), 0U);
}

TEST(LogTest, AMessageIsThereAtOnce) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  Log log(writer, LOG_NOTICE, false);
  log.notice("now");
  EXPECT_EQ(file.text(), "tcpeek: now\n");
}

TEST(LogTest, SeveralLogsLiveSideBySide) {
  const TextFile a;
  const TextFile b;
  LineWriter to_a(a.descriptor());
  LineWriter to_b(b.descriptor());
  Log one(to_a, LOG_DEBUG, false);
  Log two(to_b, LOG_ERR, false);
  one.notice("a");
  two.notice("b");
  two.error("c");
  EXPECT_EQ(a.text(), "tcpeek: a\n");
  EXPECT_EQ(b.text(), "tcpeek: c\n");
}

// What syslog would get, one datagram a line, from a process that sees our /dev/log.
std::string syslog_of(void (*talk)(Log&)) {
  return test::in_child([talk] {
    if (::unshare(CLONE_NEWNS) != 0) ring::throw_errno("unshare");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev", "tmpfs", 0, nullptr) != 0) {
      ring::throw_errno("mount");
    }
    const ring::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string("/dev/log").copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ring::throw_errno("bind");
    }
    const TextFile file;
    LineWriter writer(file.descriptor());
    {
      Log log(writer, LOG_DEBUG, true);
      talk(log);
    }
    std::string all;
    std::array<char, 4096> buffer{};
    for (;;) {
      const auto n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
      if (n <= 0) break;
      all.append(buffer.data(), static_cast<std::size_t>(n)).push_back('\n');
    }
    return all + file.text();
  });
}

// The priority before the message is LOG_DAEMON (24) and the severity.
TEST(LogLiveTest, SyslogGetsTheSeverity) {
  const std::string all = syslog_of([](Log& log) {
    log.error("an error");
    log.warning("a warning");
    log.notice("a notice");
    log.info("an info");
    log.debug("{}", "a %s {} debug");
  });
  if (all.rfind("threw: ", 0) == 0) {
    const char* required = std::getenv("TCPEEK_REQUIRE_LIVE");
    if (required != nullptr && std::string_view(required) == "1") FAIL() << all;
    std::cerr << "*** LIVE TEST SKIPPED: " << all << " ***\n";
    GTEST_SKIP() << all;
  }
  const auto lines = test::lines_of(all);
  ASSERT_EQ(lines.size(), 5U) << all;
  const std::array<std::pair<const char*, const char*>, 5> expected{{{"<27>", ": an error"},
                                                                     {"<28>", ": a warning"},
                                                                     {"<29>", ": a notice"},
                                                                     {"<30>", ": an info"},
                                                                     {"<31>", ": a %s {} debug"}}};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].substr(0, 4), expected.at(i).first) << lines[i];
    EXPECT_NE(lines[i].find(" tcpeek["), std::string::npos) << lines[i];
    EXPECT_TRUE(lines[i].ends_with(expected.at(i).second)) << lines[i];
  }
}

}  // namespace
}  // namespace tcpeek::engine
