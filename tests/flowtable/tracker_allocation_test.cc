// The packet path allocates nothing, whatever the packets bring about.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "flowtable/tracker.h"
#include "tests/support/allocations.h"
#include "tests/support/secret.h"
#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {
namespace {

struct Silent {
  std::uint64_t events = 0;
  void opened(Attempt&, std::uint16_t&) noexcept { ++events; }
  void ended(const Attempt&, const Outcome&, std::uint16_t) noexcept { ++events; }
  void late_synack(const Attempt&) noexcept { ++events; }
  void retrying(const Attempt&, std::uint16_t) noexcept { ++events; }
  void answered_again(const Attempt&, std::uint16_t) noexcept { ++events; }
  void sent_again(const Attempt&, Event, std::uint16_t) noexcept { ++events; }
};

TEST(TrackerAllocation, PacketsAllocateNothing) {
  Silent observer;
  TrackerConfig config;
  config.capacity = 50;
  config.secret = secret_of(1);
  Tracker<Silent> tracker(config, observer);
  std::vector<Segment> segments;
  for (std::int64_t i = 0; i < 3200; ++i) {
    const Ends ends{v4(1, static_cast<std::uint16_t>(i % 401)), v4(2, 80)};
    const auto n = static_cast<std::uint32_t>(i % 3);
    const std::int64_t us = i * 100'000;
    segments.push_back((i % 5 == 0   ? ends.synack(20, 11 + n)
                        : i % 5 == 1 ? ends.ack(11 + n, 21)
                        : i % 5 == 2 ? ends.unreachable(10 + n)
                                     : ends.syn(10 + n))
                           .at(us)
                           .segment());
  }
  {
    const AllocationCount counted;
    ::operator delete(::operator new(1));
    ASSERT_GT(counted.so_far(), 0U) << "the count does not work";
  }
  const AllocationCount counted;
  for (std::size_t i = 0; i < segments.size(); i += 32) {
    const std::span<const Segment> part = std::span(segments).subspan(i, 32);
    tracker.on_segments(part);
    tracker.on_segment(part.front());
    tracker.note_loss(part.front().time);
    tracker.sweep(part.back().time, 3);
  }
  tracker.sweep_all(time_of(std::chrono::hours(3)));
  EXPECT_EQ(counted.so_far(), 0U);
  EXPECT_GT(observer.events, 1000U);
}

}  // namespace
}  // namespace tcpeek::flowtable::test
