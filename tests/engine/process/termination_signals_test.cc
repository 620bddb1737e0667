// Which signals end the program depends on what they did when it was started.
#include "engine/process/termination_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>
#include <string>

#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

std::string with_ignored(std::initializer_list<int> ignored) {
  return test::in_child([&] {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
    for (const int signal : ignored) ::signal(signal, SIG_IGN);
    std::string names;
    for (const int signal : termination_signals())
      names += std::string(::sigabbrev_np(signal)) + ' ';
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
      for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::kill(::getpid(), signal);
    }
    return signals.came() ? "came" : "did not come";
  });
  EXPECT_EQ(said, "came");
}

TEST(TerminationSignalsTest, AnIgnoredOneDoesNotEndIt) {
  const std::string said = test::in_child([]() -> std::string {
    ::signal(SIGHUP, SIG_IGN);
    const TerminationSignals signals;
    ::kill(::getpid(), SIGHUP);
    return signals.came() ? "came" : "did not come";
  });
  EXPECT_EQ(said, "did not come");
}

TEST(TerminationSignalsTest, Usually) {
  EXPECT_EQ(with_ignored({}), "TERM INT HUP ");
}

TEST(TerminationSignalsTest, NohupOutlivesItsTerminal) {
  EXPECT_EQ(with_ignored({SIGHUP}), "TERM INT ");
}

TEST(TerminationSignalsTest, ABackgroundJobHearsNoKeyboard) {
  EXPECT_EQ(with_ignored({SIGINT}), "TERM HUP ");
}

TEST(TerminationSignalsTest, SigtermAlwaysEndsIt) {
  EXPECT_EQ(with_ignored({SIGTERM, SIGINT, SIGHUP}), "TERM ");
}

}  // namespace
}  // namespace tcpeek::engine
