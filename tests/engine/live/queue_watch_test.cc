// Which accept queues are told, and with which verdict, by what readers and the kernel say.
#include "engine/live/queue_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "engine/filters/address.h"

namespace tcpeek::engine {
namespace {

using namespace std::chrono_literals;
using ipc::QueueVerdict;
using ring::Listener;

constexpr std::array<std::uint8_t, 16> kAny{};
constexpr std::chrono::nanoseconds kWallAtStart = 1'700'000'000s;

std::array<std::uint8_t, 16> bytes(const char* address) {
  return parse_address(address).value().bytes;
}

// A host that has listeners, and clients that are or are not answered; asked once a second.
struct Host {
  KernelQueues kernel{.counters = ListenCounters(), .listeners_known = true, .listeners = {}};
  QueueWatch watch;
  QueueWatch::Clock::time_point now{1000s};
  ipc::Queues seen;

  Listener& listen(std::uint16_t port, std::array<std::uint8_t, 16> address = kAny,
                   bool v4 = true) {
    kernel.listeners.push_back({.address = address,
                                .v4 = v4,
                                .port = port,
                                .cookie = kernel.listeners.size() + 1,
                                .backlog_max = 4});
    return kernel.listeners.back();
  }
  void pass(std::chrono::seconds time = 1s) {
    for (auto i = 0s; i < time; i += 1s) {
      now += 1s;
      watch.look(kernel, now);
    }
  }
  // A queue overflows: of the first listener unless another is named.
  void overflow(std::uint32_t times, std::size_t listener = 0) {
    kernel.counters->overflows += times;
    kernel.counters->drops += times;
    kernel.listeners[listener].drops += times;
  }
  [[nodiscard]] std::int64_t wall(QueueWatch::Clock::time_point at) const {
    return (kWallAtStart + (at - QueueWatch::Clock::time_point(1000s))).count();
  }
  ipc::QueueStats& unanswered(std::uint64_t attempts, std::uint16_t port,
                              const char* address = "192.0.2.2") {
    return seen.ports.emplace_back(ipc::QueueStats{.bytes = bytes(address),
                                                   .address = address,
                                                   .port = port,
                                                   .own = true,
                                                   .first_unanswered = wall(now),
                                                   .last_unanswered = wall(now),
                                                   .unanswered = attempts,
                                                   .answered_ever = true});
  }
  ipc::Queues judged() {
    ipc::Queues queues = seen;
    watch.judge(queues, now, std::chrono::nanoseconds(wall(now)));
    return queues;
  }
  QueueVerdict verdict() { return judged().ports.at(0).verdict; }
};

TEST(QueueWatch, IsConfirmedByAFullQueue) {
  Host host;
  host.listen(80).backlog = 4;
  host.pass();
  host.unanswered(2, 80);
  host.pass();
  EXPECT_EQ(host.verdict(), QueueVerdict::refuted) << "one more would fit";
  host.kernel.listeners[0].backlog = 5;
  host.pass();
  host.kernel.listeners[0].backlog = 0;
  host.pass();
  const ipc::QueueStats port = host.judged().ports.at(0);
  EXPECT_EQ(port.verdict, QueueVerdict::confirmed);
  EXPECT_TRUE(port.suspected);
  EXPECT_EQ(port.backlog_now, 0U) << "of now";
  EXPECT_EQ(port.backlog_max, 4U);
  EXPECT_EQ(port.overflows_last_minute, 0U);
}

TEST(QueueWatch, IsConfirmedByDropsWhileQueuesOverflow) {
  Host host;
  host.listen(80);
  host.listen(443);
  host.pass();
  host.unanswered(9, 80);
  host.unanswered(9, 443);
  host.overflow(7);
  host.pass();
  const ipc::Queues queues = host.judged();
  ASSERT_EQ(queues.ports.size(), 2U);
  EXPECT_EQ(queues.ports[0].port, 80U) << "what is confirmed comes first";
  EXPECT_EQ(queues.ports[0].verdict, QueueVerdict::confirmed);
  EXPECT_EQ(queues.ports[0].overflows_last_minute, 7U);
  EXPECT_EQ(queues.ports[1].verdict, QueueVerdict::refuted);
  EXPECT_EQ(queues.listen_overflows, 7U);
  EXPECT_EQ(queues.listen_drops, 7U);
}

TEST(QueueWatch, DropsForAnotherReasonAreNoOverflows) {
  Host host;
  host.listen(80);
  host.pass();
  host.unanswered(9, 80);
  host.kernel.listeners[0].drops += 5;
  host.kernel.counters->drops += 5;
  host.kernel.counters->syn_queue_drops += 5;
  host.pass();
  EXPECT_EQ(host.verdict(), QueueVerdict::refuted);
  EXPECT_EQ(host.judged().syn_queue_drops, 5U);
}

TEST(QueueWatch, WhatWasBeforeTheStartSaysNothing) {
  Host host;
  host.listen(80);
  host.overflow(1000);
  host.pass();
  host.unanswered(2, 80);
  host.pass();
  EXPECT_EQ(host.verdict(), QueueVerdict::refuted);
  EXPECT_EQ(host.judged().listen_overflows, 0U);
}

TEST(QueueWatch, IsForgottenAfterAMinute) {
  Host host;
  host.listen(80);
  host.pass();
  host.overflow(3);
  host.pass();
  host.pass(30s);
  host.overflow(4);
  host.pass();
  host.unanswered(2, 80);
  EXPECT_EQ(host.judged().ports.at(0).overflows_last_minute, 7U);
  host.pass(29s);
  EXPECT_EQ(host.judged().ports.at(0).overflows_last_minute, 4U);
  host.pass(31s);
  EXPECT_EQ(host.judged().ports.at(0).overflows_last_minute, 0U);
  EXPECT_EQ(host.verdict(), QueueVerdict::refuted);
}

TEST(QueueWatch, NobodyListening) {
  Host host;
  host.pass();
  host.unanswered(2, 80);
  EXPECT_EQ(host.verdict(), QueueVerdict::refuted);
  EXPECT_FALSE(host.judged().ports[0].backlog_now);
}

TEST(QueueWatch, AListenerThatIsGoneWasFullAllTheSame) {
  Host host;
  host.listen(80);
  host.pass();
  host.unanswered(2, 80);
  host.overflow(3);
  host.pass();
  host.kernel.listeners.clear();
  host.pass();
  EXPECT_EQ(host.verdict(), QueueVerdict::confirmed);
}

TEST(QueueWatch, OneAttemptIsNoReasonToNameAPort) {
  Host host;
  host.listen(80);
  host.pass();
  host.unanswered(1, 80);
  host.unanswered(50, 81).answered_ever = false;
  host.pass();
  EXPECT_TRUE(host.judged().ports.empty());
  host.overflow(1);
  host.pass();
  const ipc::Queues queues = host.judged();
  ASSERT_EQ(queues.ports.size(), 1U);
  EXPECT_FALSE(queues.ports[0].suspected);
  EXPECT_EQ(queues.ports[0].verdict, QueueVerdict::confirmed);
}

TEST(QueueWatch, TellsAPortWhoseClientsWereNotSeen) {
  Host host;
  host.listen(80);
  host.listen(443, bytes("2001:db8::7"), false);
  host.pass();
  host.overflow(2, 1);
  host.kernel.listeners[0].backlog = 5;  // full, and nobody was turned away
  host.pass();
  const ipc::Queues queues = host.judged();
  ASSERT_EQ(queues.ports.size(), 1U);
  EXPECT_EQ(queues.ports[0].address, "2001:db8::7");
  EXPECT_EQ(queues.ports[0].port, 443U);
  EXPECT_FALSE(queues.ports[0].suspected);
  EXPECT_EQ(queues.ports[0].first_unanswered, 0);
  EXPECT_EQ(queues.ports[0].verdict, QueueVerdict::confirmed);
}

TEST(QueueWatch, UnknownWhereTheKernelCannotSay) {
  Host host;
  host.kernel.listeners_known = false;
  host.kernel.counters.reset();
  host.pass();
  host.unanswered(2, 80);
  EXPECT_EQ(host.verdict(), QueueVerdict::unknown);
  EXPECT_FALSE(host.judged().counters_known);

  Host mirror;
  mirror.pass();
  mirror.unanswered(2, 80).own = false;
  EXPECT_EQ(mirror.verdict(), QueueVerdict::unknown) << "another host's";

  Host late;
  late.unanswered(2, 80);
  late.pass(2s);
  EXPECT_EQ(late.verdict(), QueueVerdict::unknown) << "asked only after it began";
}

TEST(QueueWatch, FindsTheListenerOfAnAddress) {
  Host host;
  host.listen(80);  // any IPv4 address
  host.listen(80, bytes("192.0.2.9"));
  host.listen(80, kAny, false);  // any IPv6 address
  host.listen(81, kAny, false);  // both families
  host.pass();
  host.unanswered(2, 80, "192.0.2.2");
  host.unanswered(2, 80, "192.0.2.9");
  host.unanswered(2, 80, "2001:db8::2");
  host.unanswered(2, 81, "192.0.2.2");
  host.overflow(3, 1);
  host.overflow(2, 3);
  host.pass();
  std::map<std::pair<std::string, int>, std::uint64_t> overflows;
  for (const ipc::QueueStats& port : host.judged().ports) {
    overflows[{port.address, port.port}] = port.overflows_last_minute.value();
  }
  EXPECT_THAT(overflows, testing::ElementsAre(testing::Pair(std::pair("192.0.2.2", 80), 0),
                                              testing::Pair(std::pair("192.0.2.2", 81), 2),
                                              testing::Pair(std::pair("192.0.2.9", 80), 3),
                                              testing::Pair(std::pair("2001:db8::2", 80), 0)));
}

TEST(QueueWatch, TellsNoMoreThanItMay) {
  Host host;
  host.pass();
  for (std::uint16_t i = 0; i < 100; ++i)
    host.unanswered(2U + i, static_cast<std::uint16_t>(1000 + i));
  const ipc::Queues queues = host.judged();
  ASSERT_EQ(queues.ports.size(), ipc::Queues::kMost);
  EXPECT_EQ(queues.ports_left_out, 100 - ipc::Queues::kMost);
  EXPECT_EQ(queues.ports.front().unanswered, 101U) << "most first";
  for (std::uint16_t i = 0; i < 1000; ++i) host.listen(static_cast<std::uint16_t>(2000 + i));
  host.pass();
  for (std::size_t i = 0; i < 1000; ++i) host.overflow(1, i);
  host.pass();
  EXPECT_EQ(host.judged().ports_left_out, 100 + QueueWatch::kMostListeners - ipc::Queues::kMost);
}

}  // namespace
}  // namespace tcpeek::engine
