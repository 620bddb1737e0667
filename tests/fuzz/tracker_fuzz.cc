// A sequence of segments, sweeps and losses through the tracker: it tells and counts what the reference
// model does, and a full table keeps account of every attempt.
//
// The input is read from its front: settings, then three bytes for each step. There are few
// connections and few sequence numbers, so that everything collides.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "flowtable/tracker.h"
#include "tests/flowtable/tracker_checks.h"
#include "tests/support/told.h"
#include "tests/support/traffic.h"

namespace tcpeek::flowtable::test {
namespace {

constexpr std::size_t kSettings = 3;
constexpr std::size_t kStepBytes = 3;
constexpr std::size_t kMostSteps = 500;
constexpr std::int64_t kDayUs = 86'400'000'000;

std::size_t bits(std::uint8_t byte, unsigned at, unsigned width) {
  return byte >> at & ((1U << width) - 1);
}

struct Settings {
  ModelConfig model;
  std::uint64_t small_capacity = 1;
  std::int64_t start_us = 0;
};

Settings settings_of(std::span<const std::uint8_t> bytes) {
  constexpr std::array<std::int64_t, 4> kTimeoutsS{1, 2, 60, 4000};
  constexpr std::array<std::int64_t, 4> kRememberS{0, 1, 60, 130};
  constexpr std::array<std::int64_t, 4> kWindowsUs{0, 500, 2000, 1'000'000};
  // Zero, around the wrap and the middle of the 32-bit ticks, and today.
  constexpr std::array<std::int64_t, 4> kStartsS{0, 4'503'599, 2'251'799, 1'700'000'000};
  Settings s;
  s.model.timeout_us = kTimeoutsS[bits(bytes[0], 0, 2)] * 1'000'000;
  s.model.remember_us = kRememberS[bits(bytes[0], 2, 2)] * 1'000'000;
  s.model.copy_window_us = kWindowsUs[bits(bytes[0], 4, 2)];
  s.start_us = kStartsS[bits(bytes[0], 6, 2)] * 1'000'000 - std::int64_t{bytes[1]} * 20'000;
  s.small_capacity = 1 + bytes[2] % 3U;
  return s;
}

TrackerConfig tracker_config(const Settings& settings, std::uint64_t capacity) {
  TrackerConfig c;
  c.capacity = capacity;
  c.timeout = std::chrono::seconds(settings.model.timeout_us / 1'000'000);
  c.remember = std::chrono::seconds(settings.model.remember_us / 1'000'000);
  c.copy_window = std::chrono::microseconds(settings.model.copy_window_us);
  return c;
}

class Player {
 public:
  explicit Player(const Settings& settings)
      : settings_(settings),
        model_(settings.model),
        tracker_(tracker_config(settings, 1000), told_),
        small_(tracker_config(settings, settings.small_capacity), small_told_),
        now_us_(settings.start_us) {}

  void step(std::span<const std::uint8_t> bytes) {
    now_us_ += advance_us(bits(bytes[0], 4, 4));
    if (bits(bytes[1], 7, 1) == 0) {
      take(packet(bytes));
    } else if (bits(bytes[1], 6, 1) == 0) {
      sweep(bytes[2]);
    } else {
      lose();
    }
  }

  void finish() {
    flush();
    EXPECT_TRUE(tracker_.table().consistent());
    const PacketTime end = packet_time(now_us_ + kDayUs);
    model_.bring_up_to_date(now_us_ + kDayUs);
    for (int round = 0; round < 2; ++round) {
      tracker_.sweep_all(end);
      small_.sweep_all(end);
    }
    EXPECT_EQ(tracker_.table().pending() + tracker_.table().remembered(), 0U);
    EXPECT_EQ(small_.table().pending() + small_.table().remembered(), 0U);
    EXPECT_TRUE(tracker_.table().consistent());
    EXPECT_EQ(tracker_.counts().used + total(tracker_.counts().ignored), packets_.size());
    EXPECT_EQ(small_.counts().used + total(small_.counts().ignored), packets_.size());
    for (const Packet& p : packets_) compare(pair_of(p));
    expect_account();
  }

 private:
  // Around the copy window, the timeout and the time of remembering.
  [[nodiscard]] std::int64_t advance_us(std::size_t choice) const {
    const ModelConfig& c = settings_.model;
    const std::array<std::int64_t, 16> steps{0,
                                             1,
                                             100,
                                             c.copy_window_us,
                                             c.copy_window_us + 1,
                                             3000,
                                             50'000,
                                             999'999,
                                             c.timeout_us / 2,
                                             c.timeout_us - 1,
                                             c.timeout_us,
                                             c.timeout_us + 1,
                                             c.remember_us,
                                             c.remember_us + 2098,
                                             c.timeout_us + c.remember_us,
                                             1'800'000'000};
    return steps[choice];
  }

  // The number a sender begins with or one near it: wrapped, half the circle away, beyond some data.
  static std::uint32_t number(bool up, std::size_t choice) {
    constexpr std::array<std::uint32_t, 2> kUp{0xffffffff, 0x7ffffffe};
    constexpr std::array<std::uint32_t, 2> kDown{0, 0x80000000};
    constexpr std::array<std::uint32_t, 8> kNear{0, 1, 2, 5, 6, 0xffffffff, 0x7fffffff, 0x80000000};
    return (up ? kUp : kDown)[choice & 1U] + kNear[choice >> 1U & 7U];
  }

  [[nodiscard]] Packet packet(std::span<const std::uint8_t> bytes) const {
    const std::array<Ends, 4> connections{Ends{v4(1, 1), v4(2, 1)}, Ends{v4(2, 1), v4(1, 1)},
                                          Ends{v6(1, 1), v6(2, 2)}, Ends{v4(1, 1), v4(1, 1)}};
    const Ends& ends = connections[bits(bytes[0], 0, 2)];
    const bool up = bits(bytes[0], 2, 1) != 0;
    Packet p;
    p.source = up ? ends.client : ends.server;
    p.destination = up ? ends.server : ends.client;
    p.flags = static_cast<std::uint8_t>(bits(bytes[1], 0, 5));
    p.sequence = number(up, bits(bytes[2], 0, 4));
    p.acknowledgment = number(!up, bits(bytes[2], 4, 4));
    p.interface = bits(bytes[0], 3, 1) != 0 ? 2 : 1;
    p.payload = bits(bytes[1], 5, 1) != 0 ? 5 : 0;
    // PSH decides nothing, so its bit also tells whether the packet was overtaken by the one before.
    p.at_us = now_us_ - (bits(bytes[1], 3, 1) != 0 ? kJitterUs : 0);
    if (bits(bytes[1], 6, 1) != 0) {
      p.kind = SegmentKind::unreachable;
      p.flags = 0;
      p.payload = 0;
      p.acknowledgment = 0;
    }
    return p;
  }

  void take(const Packet& p) {
    packets_.push_back(p);
    batch_.push_back(p.segment());
    if (batch_.size() == Tracker<Recorder>::kBatch) flush();
    model_.on_packet(p);
    tracker_.on_segment(p.segment());
    compare(pair_of(p));
    if (!same_counts(model_, tracker_.counts())) {
      expect_same_counts(model_, tracker_.counts());
      ADD_FAILURE() << history(packets_, pair_of(p));
    }
  }

  // At a moment that no later packet is before.
  void sweep(std::uint8_t groups) {
    flush();
    tracker_.sweep(packet_time(now_us_ - kJitterUs), 1U + groups % 128U);
    small_.sweep(packet_time(now_us_ - kJitterUs), 1U + groups % 3U);
  }

  void lose() {
    // What has fallen due before a loss is certain only if it was noticed before.
    model_.bring_up_to_date(now_us_ - kJitterUs);
    tracker_.sweep_all(packet_time(now_us_ - kJitterUs));
    model_.note_loss(now_us_);
    tracker_.note_loss(packet_time(now_us_));
  }

  void compare(const Pair& pair) {
    const auto told = told_.take(pair);
    const auto expected = model_.take(pair);
    EXPECT_TRUE(told == expected) << history(packets_, pair) << "\n  the model tells"
                                  << text(expected) << "\n  the tracker tells" << text(told);
  }

  // The small table gets the same packets in batches; it must evict, and may lose nothing.
  void flush() {
    small_.on_segments(batch_);
    batch_.clear();
    expect_account();
  }

  void expect_account() const {
    EXPECT_EQ(small_told_.opened_count, small_told_.ended_count + small_.table().pending());
    if (small_.table().group_count() == 2) {  // then there is always one to evict
      EXPECT_LE(small_.table().pending(), small_.table().capacity());
    }
    EXPECT_TRUE(small_.table().consistent());
    EXPECT_EQ(told_.opened_count, told_.ended_count + tracker_.table().pending());
  }

  Settings settings_;
  HandshakeModel model_;
  Recorder told_;
  Tracker<Recorder> tracker_;
  Recorder small_told_;
  Tracker<Recorder> small_;
  std::int64_t now_us_;
  std::vector<Packet> packets_;
  std::vector<Segment> batch_;
};

}  // namespace
}  // namespace tcpeek::flowtable::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tcpeek::flowtable::test;
  std::span<const std::uint8_t> left(data, size);
  if (left.size() < kSettings) return -1;
  Player player(settings_of(left));
  left = left.subspan(kSettings);
  for (std::size_t i = 0; i < kMostSteps && left.size() >= kStepBytes; ++i) {
    player.step(left.first(kStepBytes));
    left = left.subspan(kStepBytes);
  }
  player.finish();
  return 0;
}
