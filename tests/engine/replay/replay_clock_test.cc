// The packets' clock: leaps, steps back, and when a sweep is due; and against a model that looks at
// each packet by itself.
#include "engine/replay/replay_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using ring::SavedPacket;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using WallTime = ReplayClock::WallTime;

constexpr PacketTime kStart{nanoseconds(1'700'000'000'000'000'000)};
constexpr WallTime kWall{hours(1)};
constexpr std::uint64_t kRoomy = 1'000'000;

SavedPacket packet_at(PacketTime time) {
  return {.bytes = {}, .time_ns = time.time_since_epoch().count()};
}

std::vector<SavedPacket> packets_at(std::initializer_list<nanoseconds> offsets) {
  std::vector<SavedPacket> packets;
  for (const nanoseconds offset : offsets) packets.push_back(packet_at(kStart + offset));
  return packets;
}

TEST(ReplayClockTest, GoesWithThePackets) {
  ReplayClock clock(kWall);
  EXPECT_EQ(clock.packets(), 0U);
  const auto packets = packets_at({seconds(0), seconds(5), seconds(3), seconds(4)});
  const auto stretch = clock.advance(packets);
  EXPECT_EQ(stretch.packets, 4U);
  EXPECT_FALSE(stretch.sweep_by);
  EXPECT_EQ(clock.packets(), 4U);
  EXPECT_EQ(clock.earliest(), kStart);
  EXPECT_EQ(clock.latest(), kStart + seconds(5));
  EXPECT_EQ(clock.now(), kStart + seconds(4)) << "two seconds back is a step, one on is not";
}

TEST(ReplayClockTest, DisorderWithinASecondIsNoStep) {
  ReplayClock clock(kWall);
  clock.advance(packets_at({seconds(10), seconds(9)}));
  EXPECT_EQ(clock.now(), kStart + seconds(10));
  clock.advance(packets_at({seconds(9) - nanoseconds(1)}));
  EXPECT_EQ(clock.now(), kStart + seconds(9) - nanoseconds(1));
  EXPECT_EQ(clock.earliest(), kStart + seconds(9) - nanoseconds(1));
}

TEST(ReplayClockTest, StopsAtALeapForwardAndHasEverythingSweptBeforeIt) {
  ReplayClock clock(kWall);
  const auto packets = packets_at({hours(0), hours(24), hours(48) + nanoseconds(1), hours(49)});
  const auto before = clock.advance(packets);
  EXPECT_EQ(before.packets, 2U) << "a day is no leap, a nanosecond more is";
  ASSERT_TRUE(before.sweep_by);
  EXPECT_EQ(*before.sweep_by, kStart + hours(24) + ReplayClock::kAllEnded);
  EXPECT_EQ(clock.now(), kStart + hours(48) + nanoseconds(1));
  EXPECT_EQ(clock.latest(), kStart + hours(24)) << "of packets that were taken";
  const auto after = clock.advance(std::span(packets).subspan(2));
  EXPECT_EQ(after.packets, 2U);
  EXPECT_FALSE(after.sweep_by);
  EXPECT_EQ(clock.latest(), kStart + hours(49));
}

TEST(ReplayClockTest, ALeapAtTheFrontOfABlockTakesNoPacketFirst) {
  ReplayClock clock(kWall);
  clock.advance(packets_at({hours(0)}));
  const auto packets = packets_at({hours(100), hours(200)});
  EXPECT_EQ(clock.advance(packets).packets, 0U);
  const auto one = clock.advance(packets);
  EXPECT_EQ(one.packets, 1U);
  EXPECT_TRUE(one.sweep_by);
  EXPECT_EQ(clock.advance(std::span(packets).subspan(1)).packets, 1U);
}

TEST(ReplayClockTest, ALeapBackEndsNothing) {
  ReplayClock clock(kWall);
  const auto packets = packets_at({hours(100), hours(0)});
  const auto before = clock.advance(packets);
  EXPECT_EQ(before.packets, 1U);
  EXPECT_FALSE(before.sweep_by);
  EXPECT_EQ(clock.now(), kStart);
  EXPECT_EQ(clock.advance(std::span(packets).subspan(1)).packets, 1U);
  EXPECT_EQ(clock.earliest(), kStart);
  EXPECT_EQ(clock.latest(), kStart + hours(100));
}

TEST(ReplayClockTest, NoSweepBeforeASecondHasPassed) {
  ReplayClock clock(kWall);
  clock.advance(packets_at({seconds(0), seconds(1) - nanoseconds(1)}));
  EXPECT_FALSE(clock.sweep_is_due(kRoomy, kRoomy, kWall + hours(1)));
  clock.advance(packets_at({seconds(1)}));
  EXPECT_TRUE(clock.sweep_is_due(kRoomy, kRoomy, kWall + hours(1)));
}

TEST(ReplayClockTest, ReasonsForASweep) {
  ReplayClock clock(kWall);
  clock.advance(packets_at({seconds(0), seconds(1)}));
  EXPECT_FALSE(clock.sweep_is_due(1, kRoomy, kWall));
  EXPECT_FALSE(clock.sweep_is_due(0, kRoomy, kWall + hours(1))) << "there is nothing to time out";
  EXPECT_FALSE(clock.sweep_is_due(1, kRoomy, kWall + seconds(1)));
  EXPECT_TRUE(clock.sweep_is_due(1, kRoomy, kWall + seconds(1) + milliseconds(1))) << "slow";
  EXPECT_FALSE(clock.sweep_is_due(kRoomy / 5 * 4, kRoomy, kWall));
  EXPECT_TRUE(clock.sweep_is_due(kRoomy / 5 * 4 + 1, kRoomy, kWall)) << "nearly full";
  clock.swept(kWall);
  EXPECT_FALSE(clock.sweep_is_due(kRoomy, kRoomy, kWall + hours(1))) << "the packets stand still";
  clock.advance(packets_at({seconds(1) + hours(24)}));
  EXPECT_FALSE(clock.sweep_is_due(0, kRoomy, kWall));
  clock.advance(packets_at({seconds(1) + hours(24) + nanoseconds(1)}));
  EXPECT_TRUE(clock.sweep_is_due(0, kRoomy, kWall)) << "a day without a sweep";
}

TEST(ReplayClockTest, AMillionPacketsAreAReason) {
  ReplayClock clock(kWall);
  const std::vector<SavedPacket> block(ReplayClock::kPacketsPerSweep / 16,
                                       packet_at(kStart + seconds(1)));
  clock.advance(packets_at({seconds(0)}));
  for (int i = 0; i < 15; ++i) clock.advance(block);
  EXPECT_FALSE(clock.sweep_is_due(1, kRoomy, kWall));
  clock.advance(block);
  EXPECT_TRUE(clock.sweep_is_due(1, kRoomy, kWall));
  clock.swept(kWall);
  clock.advance(packets_at({seconds(2)}));
  EXPECT_FALSE(clock.sweep_is_due(1, kRoomy, kWall));
}

TEST(ReplayClockTest, AStepBackDoesNotPutTheNextSweepOff) {
  ReplayClock clock(kWall);
  clock.advance(packets_at({hours(1)}));
  clock.swept(kWall);
  clock.advance(packets_at({hours(0)}));
  EXPECT_FALSE(clock.sweep_is_due(1, kRoomy, kWall + hours(1)));
  clock.advance(packets_at({seconds(1)}));
  EXPECT_TRUE(clock.sweep_is_due(1, kRoomy, kWall + hours(1)))
      << "not only when the time is what it was before the step";
}

// --- Against a model ---

// What happens to the tables, in order.
struct Step {
  std::uint64_t after_packets = 0;
  std::optional<PacketTime> sweep_by;  // nothing: the time went back by more than a day
  bool operator==(const Step&) const = default;
};

// Looks at one packet after the other and knows no blocks.
struct Model {
  std::vector<PacketTime> seen;
  PacketTime now{};
  PacketTime swept_at{};
  std::vector<Step> steps;

  void see(PacketTime time) {
    if (seen.empty()) now = swept_at = time;
    const auto ahead = time - now;
    if (ahead > hours(24)) {
      steps.push_back({seen.size(), now + hours(2)});
      now = swept_at = time;
    } else if (ahead < -hours(24)) {
      steps.push_back({seen.size(), std::nullopt});
      now = swept_at = time;
    } else if (ahead > nanoseconds(0)) {
      now = time;
    } else if (ahead < -seconds(1)) {
      now = time;
      if (swept_at > now) swept_at = now;
    }
    seen.push_back(time);
  }
};

nanoseconds random_move(std::mt19937_64& random) {
  constexpr std::array<std::int64_t, 9> kScales{0,
                                                1,
                                                1'000,
                                                1'000'000'000,
                                                1'000'000'001,
                                                60'000'000'000,
                                                86'400'000'000'000,
                                                86'400'000'000'001,
                                                4'000'000'000'000'000};
  const std::int64_t scale = kScales[random() % kScales.size()];
  const auto share = static_cast<std::int64_t>(random() % 3);  // none of it, half of it, all
  const std::int64_t move = scale / 2 * share + scale % 2 * (share / 2);
  return nanoseconds(random() % 4 == 0 ? -move : move);
}

TEST(ReplayClockTest, IsWhatAModelOfSinglePacketsSaysHoweverTheyComeInBlocks) {
  test::for_each_seed(300, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    ReplayClock clock(kWall);
    Model model;
    std::vector<Step> steps;
    PacketTime time = kStart;
    for (int block = 0; block < 30; ++block) {
      std::vector<SavedPacket> packets;
      for (std::uint64_t left = 1 + random() % 20; left > 0; --left) {
        time += random_move(random);
        packets.push_back(packet_at(time));
        model.see(time);
      }
      for (std::span<const SavedPacket> rest(packets); !rest.empty();) {
        const auto stretch = clock.advance(rest);
        rest = rest.subspan(stretch.packets);
        if (stretch.sweep_by || !rest.empty()) steps.push_back({clock.packets(), stretch.sweep_by});
      }
      EXPECT_EQ(clock.now(), model.now);
      EXPECT_EQ(clock.packets(), model.seen.size());
      const auto [earliest, latest] = std::minmax_element(model.seen.begin(), model.seen.end());
      EXPECT_EQ(clock.earliest(), *earliest);
      EXPECT_EQ(clock.latest(), *latest);
      // With everything pending, it is the packets' time alone that decides.
      EXPECT_EQ(clock.sweep_is_due(kRoomy, kRoomy, kWall),
                model.now - model.swept_at >= seconds(1));
      EXPECT_EQ(clock.sweep_is_due(0, kRoomy, kWall), model.now - model.swept_at > hours(24));
      if (random() % 5 == 0) {
        clock.swept(kWall);
        model.swept_at = model.now;
      }
    }
    EXPECT_EQ(steps, model.steps);
  });
}

}  // namespace
}  // namespace tcpeek::engine
