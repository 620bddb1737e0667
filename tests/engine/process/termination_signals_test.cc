// Which signals end the program depends on what they did when it was started.
#include "engine/process/termination_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

using SignalsOf = std::vector<int> (*)();

std::string names_of(SignalsOf signals, std::initializer_list<int> ignored, bool managed = false) {
  return test::in_child([&] {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
    for (const int signal : ignored) ::signal(signal, SIG_IGN);
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("INVOCATION_ID");
    if (managed) ::setenv("INVOCATION_ID", "1", 1);
    std::string names;
    for (const int signal : signals()) names += std::string(::sigabbrev_np(signal)) + ' ';
    return names;
  });
}

// One after the other, as often as it likes: the process lives, and knows.
TEST(TerminationSignalsTest, NoneInterruptsAnything) {
  const std::string said = test::in_child([]() -> std::string {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
    const TerminationSignals signals;
    if (signals.came()) return "came before it was sent";
    for (int i = 0; i < 1000; ++i) {
      for (const int signal : {SIGINT, SIGTERM}) ::kill(::getpid(), signal);
    }
    return signals.came() ? "came" : "did not come";
  });
  EXPECT_EQ(said, "came");
}

// As a shell without job control starts what it runs in the background.
TEST(TerminationSignalsTest, SigintEndsItAlsoWhereItWasIgnored) {
  const std::string said = test::in_child([]() -> std::string {
    ::signal(SIGINT, SIG_IGN);
    const TerminationSignals signals;
    ::kill(::getpid(), SIGINT);
    return signals.came() ? "came" : "did not come";
  });
  EXPECT_EQ(said, "came");
}

TEST(TerminationSignalsTest, AnIgnoredHangupDoesNotEndIt) {
  const std::string said = test::in_child([]() -> std::string {
    ::signal(SIGHUP, SIG_IGN);
    const TerminationSignals signals;
    ::kill(::getpid(), SIGHUP);
    return signals.came() ? "came" : "did not come";
  });
  EXPECT_EQ(said, "did not come");
}

TEST(TerminationSignalsTest, Which) {
  EXPECT_EQ(names_of(termination_signals, {}), "INT TERM HUP ");
  EXPECT_EQ(names_of(termination_signals, {SIGHUP}), "INT TERM ") << "nohup";
  EXPECT_EQ(names_of(termination_signals, {SIGINT}), "INT TERM HUP ") << "in the background";
  EXPECT_EQ(names_of(termination_signals, {SIGTERM, SIGINT, SIGHUP}), "INT TERM ");
  EXPECT_EQ(names_of(termination_signals, {}, true), "INT TERM ") << "by a service manager";
}

TEST(RequestSignalsTest, Which) {
  EXPECT_EQ(names_of(request_signals, {}), "USR1 ");
  EXPECT_EQ(names_of(request_signals, {}, true), "USR1 HUP ");
  EXPECT_EQ(names_of(request_signals, {SIGHUP}, true), "USR1 ");
}

TEST(RequestSignalsTest, AreTakenOneByOne) {
  const std::string said = test::in_child([]() -> std::string {
    ::setenv("INVOCATION_ID", "1", 1);
    ::signal(SIGHUP, SIG_DFL);
    const RequestSignals signals;
    if (signals.take() != RequestSignal::none) return "came before it was sent";
    ::kill(::getpid(), SIGUSR1);
    ::kill(::getpid(), SIGHUP);
    std::string taken;
    for (int i = 0; i < 3; ++i) {
      switch (signals.take()) {
        case RequestSignal::none:
          taken += "none ";
          break;
        case RequestSignal::summary:
          taken += "summary ";
          break;
        case RequestSignal::hangup:
          taken += "hangup ";
          break;
      }
    }
    return taken;
  });
  EXPECT_EQ(said, "hangup summary none ");
}

}  // namespace
}  // namespace tcpeek::engine
