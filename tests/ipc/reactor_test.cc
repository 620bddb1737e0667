// The reactor's promises: cadence, level-triggered descriptors it does not own,
// exceptions.
#include "ipc/reactor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <vector>

#include "tests/ipc/support.h"

namespace tcpeek::ipc {
namespace {

using namespace test;

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("pipe2");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  UniqueFd read;
  UniqueFd write;
};

// Ends a run that would not end by itself; the test then fails by what it has not seen.
void give_up_later(Reactor& reactor) {
  reactor.after(kPatience, [&reactor] { reactor.stop(); });
}

TEST(Reactor, StopBeforeRunEndsRunAtOnce) {
  Reactor reactor;
  give_up_later(reactor);
  const auto begin = Clock::now();
  reactor.stop();
  reactor.run();
  EXPECT_LT(Clock::now() - begin, kPatience / 2);
}

TEST(Reactor, RunsWithNothingToDoUntilStoppedFromAnotherThread) {
  Reactor reactor;
  std::atomic<bool> ended{false};
  std::thread runner([&] {
    reactor.run();
    ended = true;
  });
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(ended);
  reactor.stop();
  runner.join();
  EXPECT_TRUE(ended);
}

TEST(Reactor, PostRunsOnTheReactorsThread) {
  Reactor reactor;
  std::thread::id ran_on;
  std::thread runner([&] { reactor.run(); });
  reactor.post([&] {
    ran_on = std::this_thread::get_id();
    reactor.stop();
  });
  const auto expected = runner.get_id();
  runner.join();
  EXPECT_EQ(ran_on, expected);
}

TEST(Reactor, AfterRunsOnceAndNotEarly) {
  Reactor reactor;
  const auto begin = Clock::now();
  Clock::time_point ran;
  int times = 0;
  reactor.after(30ms, [&] {
    ran = Clock::now();
    ++times;
  });
  reactor.after(100ms, [&] { reactor.stop(); });
  reactor.run();
  EXPECT_EQ(times, 1);
  EXPECT_GE(ran - begin, 30ms);
}

TEST(Reactor, EveryKeepsItsCadence) {
  Reactor reactor;
  const auto begin = Clock::now();
  int ticks = 0;
  reactor.every(10ms, [&] {
    if (++ticks == 10) reactor.stop();
  });
  reactor.run();
  EXPECT_EQ(ticks, 10);
  EXPECT_GE(Clock::now() - begin, 100ms);
}

// A tick's own work does not move the next one. Would it, none came sooner than its interval after
// the end of the work; a busy machine may delay any of them, so one that comes in time is enough.
TEST(Reactor, WorkDoesNotShiftTheCadence) {
  constexpr auto kInterval = 20ms;
  Reactor reactor;
  give_up_later(reactor);
  std::optional<Clock::time_point> worked_until;
  bool in_time = false;
  reactor.every(kInterval, [&] {
    in_time = worked_until && Clock::now() - *worked_until < kInterval;
    if (in_time) return reactor.stop();
    std::this_thread::sleep_for(10ms);
    worked_until = Clock::now();
  });
  reactor.run();
  EXPECT_TRUE(in_time);
}

TEST(Reactor, LateTicksAreNotMadeUpFor) {
  Reactor reactor;
  std::vector<Clock::time_point> ticks;
  Clock::time_point first_ended;
  reactor.every(20ms, [&] {
    ticks.push_back(Clock::now());
    if (ticks.size() == 1) {
      std::this_thread::sleep_for(110ms);  // five ticks go by
      first_ended = Clock::now();
    }
    if (ticks.size() == 3) reactor.stop();
  });
  reactor.run();
  ASSERT_EQ(ticks.size(), 3U);
  EXPECT_GE(ticks[1] - first_ended, 20ms);
  EXPECT_GE(ticks[2] - first_ended, 40ms);
}

TEST(Reactor, AnIntervalOfNothingIsRefused) {
  Reactor reactor;
  EXPECT_THROW(reactor.every(0ms, [] {}), std::system_error);
  EXPECT_THROW(reactor.every(-1ms, [] {}), std::system_error);
}

TEST(Reactor, ReadableIsLevelTriggered) {
  Reactor reactor;
  give_up_later(reactor);
  Pipe pipe;
  ASSERT_EQ(::write(pipe.write.get(), "abcde", 5), 5);
  std::string seen;
  reactor.on_readable(pipe.read.get(), [&] {
    char byte = 0;
    if (::read(pipe.read.get(), &byte, 1) == 1) seen += byte;  // one of many
    if (seen.size() == 5) reactor.stop();
  });
  reactor.run();
  EXPECT_EQ(seen, "abcde");
}

TEST(Reactor, ReadableIsCalledOnlyWhenThereIsSomething) {
  Reactor reactor;
  Pipe pipe;
  int calls = 0;
  int empty = 0;
  reactor.on_readable(pipe.read.get(), [&] {
    char byte = 0;
    ++calls;
    if (::read(pipe.read.get(), &byte, 1) != 1) ++empty;
    if (calls == 1) reactor.after(50ms, [&] { reactor.stop(); });
  });
  give_up_later(reactor);
  reactor.after(20ms, [&] { ASSERT_EQ(::write(pipe.write.get(), "x", 1), 1); });
  reactor.run();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(empty, 0);
}

TEST(Reactor, WatchedDescriptorsStayTheCallers) {
  Pipe pipe;
  {
    Reactor reactor;
    reactor.on_readable(pipe.read.get(), [] {});
    reactor.after(1ms, [&] { reactor.stop(); });
    reactor.run();
  }
  ASSERT_EQ(::write(pipe.write.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(pipe.read.get(), &byte, 1), 1);
}

TEST(Reactor, WatchingWhatCannotBeWatchedIsAnError) {
  Reactor reactor;
  try {
    reactor.on_readable(987654, [] {});
    FAIL() << "no error";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EBADF);
    EXPECT_NE(std::string(error.what()).find("987654"), std::string::npos) << error.what();
  }

  TempDir dir;
  const UniqueFd file(::open((dir / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  give_up_later(reactor);
  reactor.on_readable(file.get(), [] {});
  EXPECT_THROW(reactor.run(), std::system_error);
}

TEST(Reactor, ExceptionsLeaveThroughRunAndOthersGoOn) {
  Reactor reactor;
  give_up_later(reactor);
  int ticks = 0;
  reactor.every(1ms, [&] {
    if (++ticks == 3) reactor.stop();
  });
  reactor.post([] { throw std::runtime_error("from a task"); });
  EXPECT_THROW(reactor.run(), std::runtime_error);
  reactor.run();
  EXPECT_EQ(ticks, 3);
}

TEST(Reactor, WhatIsForIdleTimesFollowsEachTask) {
  Reactor reactor;
  give_up_later(reactor);
  int idle = 0;
  int seen = 0;
  reactor.when_idle([&] { ++idle; });
  reactor.post([&] {
    reactor.after(20ms, [&] {
      seen = idle;
      reactor.stop();
    });
  });
  reactor.run();
  EXPECT_GE(seen, 1) << "after the first task, before the wait";
  EXPECT_LE(idle, 5) << "and not all the time";
}

TEST(Reactor, WhatIsForIdleTimesIsNotStarved) {
  Reactor reactor;
  give_up_later(reactor);
  int idle = 0;
  int tasks = 0;
  std::function<void()> again = [&] {
    if (++tasks == 10'000 || idle == 3) return reactor.stop();
    reactor.post(again);
  };
  reactor.when_idle([&] { ++idle; });
  reactor.post(again);
  reactor.run();
  EXPECT_GE(idle, 3);
  EXPECT_LT(tasks, 10'000) << "it took its turn while tasks waited";
}

TEST(Reactor, TasksNotRunAreDestroyedWithIt) {
  auto held = std::make_shared<int>(1);
  {
    Reactor reactor;
    Pipe pipe;
    reactor.post([held] {});
    reactor.after(1h, [held] {});
    reactor.every(1h, [held] {});
    EXPECT_GT(held.use_count(), 1);
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace tcpeek::ipc
