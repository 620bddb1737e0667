// Patterns: stuck 4-tuples, and SYNs that die for what they ask; each told, and nothing else taken for it.
#include "engine/pipeline/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "tests/engine/pipeline/counting_rig.h"

namespace tcpeek::engine {
namespace {

using flowtable::test::Ends;
using flowtable::test::Packet;
using flowtable::test::v4;
using ipc::Tally;
using test::CountingRig;
namespace flag = flowtable::tcp_flag;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::uint8_t kEcn = flag::ece | flag::cwr;

// What initiators do, in the order of time.
class Script {
 public:
  // SYNs at 0, 1, 3, 7... seconds until one is answered, or five were not. Those after the first are plain.
  struct Attempt {
    Ends ends;
    std::int64_t at = 0;
    int dead_syns = 0;  // before one is answered
    int syns = 5;       // at most
    std::uint8_t asks = 0;
  };
  void add(const Attempt& a) {
    std::int64_t at = a.at;
    for (int i = 0; i < a.syns; ++i) {
      const std::uint8_t asks = i == 0 ? a.asks : std::uint8_t{0};
      packets_.push_back(a.ends.syn(10).with(asks).at(at));
      if (i == a.dead_syns) {
        packets_.push_back(a.ends.synack(20, 11).at(at + 200));
        packets_.push_back(a.ends.ack(11, 21).at(at + 300));
        return;
      }
      at += kSecond << i;
    }
  }
  void play(CountingRig& rig) {
    std::ranges::stable_sort(packets_, {}, &Packet::at_us);
    std::int64_t swept = 0;
    for (const Packet& packet : packets_) {
      for (; packet.at_us - swept > kSecond; swept += kSecond) sweep(rig, swept);
      rig.see(packet);
    }
    sweep(rig, packets_.back().at_us + 120 * kSecond);
  }

 private:
  static void sweep(CountingRig& rig, std::int64_t us) {
    rig.tracker.sweep_all(flowtable::test::time_of(std::chrono::microseconds(us)));
  }
  std::vector<Packet> packets_;
};

Ends pair_of(std::uint8_t client, std::uint16_t port, std::uint8_t server = 9,
             std::uint16_t service = 443) {
  return {v4(client, port), v4(server, service)};
}

constexpr int kNever = 100;

std::uint64_t stuck(int syns, int others, int troubled, std::uint8_t others_client = 2) {
  CountingRig rig;
  Script script;
  script.add({.ends = pair_of(2, 999)});  // it did work once
  script.add({.ends = pair_of(2, 1000), .at = 1, .dead_syns = kNever, .syns = syns});
  for (int i = 0; i < others; ++i) {
    script.add({.ends = pair_of(others_client, static_cast<std::uint16_t>(2000 + i)),
                .at = kSecond + kSecond / 2 + i * kSecond / 100,
                .dead_syns = i < troubled ? 1 : 0});
  }
  script.play(rig);
  return rig.totals()[Tally::stuck_tuple];
}

TEST(StuckTuple, IsOneThatIsNeverAnsweredWhileOthersAre) {
  EXPECT_EQ(stuck(5, 5, 0), 1U);
  EXPECT_EQ(stuck(5, 4, 0), 0U) << "too few to tell";
  EXPECT_EQ(stuck(4, 100, 5), 1U);
  EXPECT_EQ(stuck(4, 100, 20), 0U) << "others have trouble, too";
  EXPECT_EQ(stuck(4, 100, 20, 3), 0U);
  EXPECT_EQ(stuck(3, 40, 0), 1U);
  EXPECT_EQ(stuck(3, 20, 0), 0U) << "three SYNs may be lost";
  EXPECT_EQ(stuck(2, 100, 0), 0U);
  EXPECT_EQ(stuck(5, 10, 0, 3), 0U) << "another initiator's";
}

TEST(StuckTuple, IsToldOfTheServiceAndOfItsFilters) {
  CountingRig rig({"web:TX@192.0.2.9:443", "other:TX@192.0.2.8:443"});
  Script script;
  script.add({.ends = pair_of(2, 999)});
  script.add({.ends = pair_of(2, 1000), .at = 1, .dead_syns = kNever});
  for (std::uint16_t i = 0; i < 5; ++i) {
    script.add({.ends = pair_of(2, static_cast<std::uint16_t>(2000 + i)), .at = (3 + i) * kSecond});
  }
  script.play(rig);
  EXPECT_EQ(rig.totals()[Tally::stuck_tuple], 1U);
  EXPECT_EQ(rig.filter(2)[Tally::stuck_tuple], 1U);
  EXPECT_EQ(rig.filter(3)[Tally::stuck_tuple], 0U);
  const ServiceTable& services = rig.counter.top().services();
  ASSERT_EQ(services.end(), 2U);
  EXPECT_EQ(services[1].stuck_tuples, 1U);
  EXPECT_EQ(services[1].retrying, 0U);
  EXPECT_EQ(services[1].answered_meanwhile, 5U);
  EXPECT_FALSE(services[1].watched) << "nothing is to be learned any more";
}

struct BlackHoles {
  std::uint64_t ecn = 0;
  std::uint64_t fast_open = 0;
  bool operator==(const BlackHoles&) const = default;
};

// Attempts one after the other at one service: what each asks for, and how many SYNs die.
BlackHoles black_holes(const std::vector<std::pair<std::uint8_t, int>>& attempts) {
  CountingRig rig;
  Script script;
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    script.add({.ends = pair_of(2, static_cast<std::uint16_t>(2000 + i)),
                .at = static_cast<std::int64_t>(i) * 10 * kSecond,
                .dead_syns = attempts[i].second,
                .asks = attempts[i].first});
  }
  script.play(rig);
  return {rig.totals()[Tally::ecn_black_hole], rig.totals()[Tally::fast_open_black_hole]};
}

std::vector<std::pair<std::uint8_t, int>> times(int count, std::uint8_t asks, int dead) {
  return std::vector<std::pair<std::uint8_t, int>>(static_cast<std::size_t>(count), {asks, dead});
}

TEST(BlackHole, IsToldFromTheFourthInARowOn) {
  EXPECT_EQ(black_holes(times(3, kEcn, 1)), (BlackHoles{0, 0}));
  EXPECT_EQ(black_holes(times(4, kEcn, 1)), (BlackHoles{1, 0}));
  EXPECT_EQ(black_holes(times(9, kEcn, 1)), (BlackHoles{6, 0}));
  EXPECT_EQ(black_holes(times(9, flag::fast_open, 1)), (BlackHoles{0, 6}));
  EXPECT_EQ(black_holes(times(9, kEcn | flag::fast_open, 1)), (BlackHoles{0, 6}));
}

TEST(BlackHole, IsNoneWherePlainSynsDieOrSuchOnesLive) {
  const auto with = [](int at, std::uint8_t asks, int dead) {
    auto attempts = times(6, kEcn, 1);
    attempts[static_cast<std::size_t>(at)] = {asks, dead};
    return black_holes(attempts);
  };
  EXPECT_EQ(with(3, kEcn, 0), (BlackHoles{0, 0})) << "it got through";
  EXPECT_EQ(with(3, 0, 1), (BlackHoles{0, 0})) << "a plain one died as well";
  EXPECT_EQ(with(3, kEcn, 2), (BlackHoles{0, 0})) << "the plain repetition died as well";
  EXPECT_EQ(with(3, 0, 0), (BlackHoles{2, 0})) << "a plain one says nothing";
  EXPECT_EQ(black_holes(times(9, flag::ece, 1)), (BlackHoles{0, 0})) << "half of the request";
}

TEST(BlackHole, IsNoneWhereTheRepetitionAsksAgain) {
  CountingRig rig;
  for (std::uint16_t i = 0; i < 9; ++i) {
    const Ends ends = pair_of(2, static_cast<std::uint16_t>(2000 + i));
    const std::int64_t at = i * 10 * kSecond;
    rig.see(ends.syn(10).with(kEcn).at(at));
    rig.see(ends.syn(10).with(kEcn).at(at + kSecond));
    rig.see(ends.synack(20, 11).at(at + kSecond + 200));
    rig.see(ends.ack(11, 21).at(at + kSecond + 300));
  }
  EXPECT_EQ(rig.totals()[Tally::ecn_black_hole], 0U);
}

TEST(BlackHole, DataOnTheSynIsFastOpen) {
  CountingRig rig;
  for (std::uint16_t i = 0; i < 5; ++i) {
    const Ends ends = pair_of(2, static_cast<std::uint16_t>(2000 + i));
    const std::int64_t at = i * 10 * kSecond;
    rig.see(ends.syn(10).data(100).at(at));
    rig.see(ends.syn(10).at(at + kSecond));
    rig.see(ends.synack(20, 11).at(at + kSecond + 200));
    rig.see(ends.ack(11, 21).at(at + kSecond + 300));
  }
  EXPECT_EQ(rig.totals()[Tally::fast_open_black_hole], 2U);
}

// Clients and servers of a hundred thousand attempts: most are well, some paths lose packets, some hosts are
// dead, some queues full, some ask for ECN on a path that loses packets, and a few have each pattern.
class Mixed {
 public:
  explicit Mixed(std::uint64_t seed) : random_(seed) {}

  void run() {
    constexpr int kAttempts = 100'000;
    for (int i = 0; i < kAttempts; ++i) attempt(i * kSecond / 100);
    script_.play(rig_);
  }

  CountingRig rig_{{}, false, test::small_tracker(20'000)};
  std::uint64_t stuck_ = 0;  // tuples that there were
  std::uint64_t ecn_ = 0;    // attempts that met a black hole
  std::uint64_t fast_open_ = 0;

 private:
  // By the servers' last byte.
  enum Kind : std::uint8_t {
    well,
    lossy,
    very_lossy,
    dead,
    full,
    ecn_hole,
    fast_open_hole,
    stuck_some
  };

  [[nodiscard]] bool one_in(std::uint64_t n) { return random_() % n == 0; }
  [[nodiscard]] int lost(std::uint64_t percent) {
    int count = 0;
    while (random_() % 100 < percent) ++count;
    return count;
  }
  void attempt(std::int64_t at) {
    const auto kind = static_cast<Kind>(random_() % 8);
    const auto server = static_cast<std::uint8_t>(100U + kind * 16U + random_() % 16);
    const auto client = static_cast<std::uint8_t>(10 + random_() % 4);
    const std::uint16_t port = ++ports_[{client, server}];
    const auto service = static_cast<std::uint16_t>(80 + random_() % 2);
    Script::Attempt a{.ends = pair_of(client, port, server, service), .at = at};
    if (one_in(3)) a.asks = kEcn;
    if (one_in(10)) a.asks = flag::fast_open;
    switch (kind) {
      case well:
        break;
      case lossy:
        a.dead_syns = lost(2);
        break;
      case very_lossy:
        a.dead_syns = lost(15);
        break;
      case dead:
        a.dead_syns = kNever;
        break;
      case full:
        a.dead_syns = lost(60);
        break;
      case ecn_hole:
        a.dead_syns = a.asks == kEcn ? 1 : 0;
        ecn_ += a.asks == kEcn;
        break;
      case fast_open_hole:
        a.dead_syns = a.asks == flag::fast_open ? 1 : 0;
        fast_open_ += a.asks == flag::fast_open;
        break;
      case stuck_some:
        if (one_in(100)) a.dead_syns = kNever, ++stuck_;
        break;
    }
    script_.add(a);
  }

  std::mt19937_64 random_;
  Script script_;
  std::map<std::pair<int, int>, std::uint16_t> ports_;
};

void expect_precise(std::uint64_t told, std::uint64_t there_were, double recall, const char* what) {
  EXPECT_GE(static_cast<double>(told), recall * static_cast<double>(there_were)) << what;
  EXPECT_LE(static_cast<double>(told), 1.01 * static_cast<double>(there_were)) << what;
}

TEST(Patterns, ArePreciseInMixedTraffic) {
  Mixed mixed(7);
  mixed.run();
  const ipc::Counts& totals = mixed.rig_.totals();
  std::map<int, std::uint64_t> elsewhere;  // told of a server that has none of it, by pattern
  std::uint64_t told[3] = {};
  const ServiceTable& services = mixed.rig_.counter.top().services();
  for (std::size_t i = 1; i < services.end(); ++i) {
    const int kind = (bytes_of(services[i].key.address)[15] - 100) / 16;
    const std::uint64_t counts[3] = {services[i].ecn_black_holes, services[i].fast_open_black_holes,
                                     services[i].stuck_tuples};
    for (int p = 0; p < 3; ++p) {
      told[p] += counts[p];
      if (kind != 5 + p) elsewhere[p] += counts[p];
    }
  }
  EXPECT_EQ(told[0], totals[Tally::ecn_black_hole]);
  EXPECT_EQ(told[1], totals[Tally::fast_open_black_hole]);
  EXPECT_EQ(told[2], totals[Tally::stuck_tuple]);
  const char* names[3] = {"ECN", "Fast Open", "stuck"};
  for (int p = 0; p < 3; ++p) {
    EXPECT_LE(static_cast<double>(elsewhere[p]), 0.01 * static_cast<double>(told[p])) << names[p];
    RecordProperty(names[p],
                   std::to_string(told[p]) + " told, " + std::to_string(elsewhere[p]) + " wrong");
  }
  expect_precise(told[0], mixed.ecn_, 0.9, "ECN");
  expect_precise(told[1], mixed.fast_open_, 0.85, "Fast Open");
  expect_precise(told[2], mixed.stuck_, 0.5, "stuck");
}

}  // namespace
}  // namespace tcpeek::engine
