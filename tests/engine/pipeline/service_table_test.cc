// Services found by address, port and direction, what they count, and which one gives way to a new one.
#include "engine/pipeline/service_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using flowtable::PacketTime;
using std::chrono::microseconds;
using std::chrono::seconds;
using tcpeek::test::for_each_seed;

const AddressHash kHash({0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d1});
const Times kTimes({microseconds(100), microseconds(50)}, microseconds(150));

ServiceKey key_of(std::uint64_t n) {
  return {flowtable::AddressWords::mapped(static_cast<std::uint32_t>(n / 7)),
          static_cast<std::uint16_t>(n % 7 + 80), static_cast<std::uint16_t>(n % 4)};
}

PacketTime at(std::int64_t s) {
  return PacketTime(seconds(s));
}

ServiceTable::Number open(ServiceTable& table, std::uint64_t n, std::int64_t s = 1) {
  return table.opened(key_of(n), table.hash_of(key_of(n)), at(s));
}

void succeed(ServiceTable& table, std::uint64_t n, std::int64_t s = 1) {
  table.succeeded(open(table, n, s), at(s), kTimes);
}

void fail(ServiceTable& table, std::uint64_t n, std::int64_t s = 1) {
  table.failed(open(table, n, s), Cause::refused, at(s));
}

std::uint64_t all_attempts(const ServiceTable& table) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < table.end(); ++i) sum += table[i].attempts();
  return sum;
}

TEST(ServiceTable, CountsByAddressPortAndDirection) {
  ServiceTable table(kHash);
  const ServiceKey web{flowtable::AddressWords::mapped(1), 80, 1};
  std::set<ServiceTable::Number> numbers;
  for (const ServiceKey& key : {web, ServiceKey{web.address, 81, 1}, ServiceKey{web.address, 80, 2},
                                ServiceKey{flowtable::AddressWords::mapped(2), 80, 1}}) {
    numbers.insert(table.opened(key, table.hash_of(key), at(1)));
  }
  EXPECT_EQ(numbers, (std::set<ServiceTable::Number>{1, 2, 3, 4}));
  EXPECT_EQ(table.opened(web, table.hash_of(web), at(2)), 1U);
  EXPECT_EQ(table[1].pending, 2U);
  EXPECT_EQ(table[1].counting_since, at(1).time_since_epoch().count());
}

TEST(ServiceTable, WhatItsInitiatorsDoIsNoFailureOfTheService) {
  ServiceTable table(kHash);
  for (const Cause cause : {Cause::aborted, Cause::half_open, Cause::probe}) {
    table.failed(open(table, 1), cause, at(3));
  }
  EXPECT_EQ(table[1].failures.total(), 3U);
  EXPECT_EQ(table[1].failed_in_a_row, 0U);
  EXPECT_EQ(table[1].failing_since, 0);
  EXPECT_EQ(table[1].last_failure, 0);
  EXPECT_EQ(table[1].window_failures, 0U);
}

TEST(ServiceTable, CountsEachOutcomeUnderItsCause) {
  ServiceTable table(kHash);
  for (const Cause cause :
       {Cause::refused, Cause::reset, Cause::aborted, Cause::aborted, Cause::half_open,
        Cause::probe, Cause::no_answer, Cause::no_ack, Cause::superseded, Cause::unreachable}) {
    table.failed(open(table, 1), cause, at(3));
  }
  succeed(table, 1, 4);
  table.succeeded_unseen(open(table, 1), at(5));
  table.evicted(open(table, 1));
  const auto pending = open(table, 1);
  table.repeated(pending, 3, 2);
  const Service& row = table[1];
  EXPECT_EQ(row.failures.refused, 1U);
  EXPECT_EQ(row.failures.reset, 1U);
  EXPECT_EQ(row.failures.aborted, 2U);
  EXPECT_EQ(row.failures.half_open, 1U);
  EXPECT_EQ(row.failures.probe, 1U);
  EXPECT_EQ(row.failures.superseded, 1U);
  EXPECT_EQ(row.failures.no_answer, 1U);
  EXPECT_EQ(row.failures.no_ack, 1U);
  EXPECT_EQ(row.failures.unreachable, 1U);
  EXPECT_EQ(row.success, 2U);
  EXPECT_EQ(row.evicted, 1U);
  EXPECT_EQ(row.pending, 1U);
  EXPECT_EQ(row.attempts(), 14U);
  EXPECT_EQ(row.dup_syns, 3U);
  EXPECT_EQ(row.dup_synacks, 2U);
  EXPECT_EQ(row.legs_left_out, 1U);
  EXPECT_EQ(row.syn_to_synack.count(), 1U);
  EXPECT_EQ(row.last_success, at(5).time_since_epoch().count());
}

TEST(ServiceTable, TellsSinceWhenItHasBeenFailing) {
  ServiceTable table(kHash);
  fail(table, 1, 1);
  fail(table, 1, 2);
  EXPECT_EQ(table[1].failing_since, at(1).time_since_epoch().count());
  succeed(table, 1, 3);
  EXPECT_EQ(table[1].failed_in_a_row, 0U);
  fail(table, 1, 4);
  fail(table, 1, 5);
  EXPECT_EQ(table[1].failing_since, at(4).time_since_epoch().count());
  EXPECT_EQ(table[1].last_failure, at(5).time_since_epoch().count());
  EXPECT_EQ(table[1].failed_in_a_row, 2U);
}

// A timeout or an ICMP error that is told after a success, of a time before it.
TEST(ServiceTable, AnEarlierFailureToldLateBeginsNoRun) {
  ServiceTable table(kHash);
  succeed(table, 1, 10);
  fail(table, 1, 9);
  fail(table, 1, 12);
  fail(table, 1, 11);
  fail(table, 1, 13);
  EXPECT_EQ(table[1].failing_since, at(12).time_since_epoch().count());
  EXPECT_EQ(table[1].last_failure, at(13).time_since_epoch().count());
}

TEST(ServiceTable, RecentIsThisWindowAndTheOneBefore) {
  ServiceTable table(kHash);
  fail(table, 1);
  table.begin_window();
  EXPECT_EQ(table.recent(table[1]).failures, 1U);
  fail(table, 1);
  succeed(table, 1);
  EXPECT_EQ(table.recent(table[1]).failures, 2U);
  EXPECT_EQ(table.recent(table[1]).attempts, 3U);
  table.begin_window();
  EXPECT_EQ(table.recent(table[1]).failures, 1U) << "the first window is over";
  EXPECT_EQ(table.recent(table[1]).attempts, 2U);
  table.begin_window();
  EXPECT_EQ(table.recent(table[1]).attempts, 0U);
  EXPECT_EQ(table[1].failures.total(), 2U);
}

TEST(ServiceTable, APendingAttemptPinsItsService) {
  ServiceTable table(kHash, 3);
  const auto first = open(table, 1);
  const auto second = open(table, 2);
  EXPECT_EQ(open(table, 3), ServiceTable::kOthers) << "there is no row to be had";
  table.succeeded(second, at(1), kTimes);
  for (int i = 0; i < 3; ++i) table.failed(open(table, 4), Cause::refused, at(1));
  ASSERT_TRUE(table.find(key_of(4)));
  EXPECT_FALSE(table.find(key_of(2)));
  EXPECT_EQ(table.find(key_of(1)), first);
  EXPECT_TRUE(table.consistent());
  EXPECT_EQ(table.displaced(), 1U);
}

TEST(ServiceTable, WhatIsGivenUpGoesToTheOthers) {
  ServiceTable table(kHash, 2);
  fail(table, 1);
  succeed(table, 1);
  while (!table.find(key_of(2))) succeed(table, 2);
  const Service& others = table[ServiceTable::kOthers];
  EXPECT_EQ(others.failures.refused, 1U);
  EXPECT_GE(others.success, 1U);
  EXPECT_GE(others.syn_to_synack.count(), 1U);
  EXPECT_EQ(table.recent(others).failures, 1U);
}

// A small service that fails once in a while, among more busy healthy ones than there are rows.
TEST(ServiceTable, AFailingServiceOutlivesHealthyOnes) {
  constexpr std::uint64_t kFailing = 7'000'000;
  ServiceTable table(kHash, 1000);
  std::mt19937 random(5);
  for (int i = 0; i < 3; ++i) fail(table, kFailing);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 2000; ++i) succeed(table, random() % 5000);
    fail(table, kFailing);
    ASSERT_EQ(table[*table.find(key_of(kFailing))].failures.total(),
              static_cast<unsigned>(round + 4));
  }
  EXPECT_GT(table.displaced(), 10'000U);
}

// ... and among services that fail once each, as a scan makes them.
TEST(ServiceTable, AFailingServiceOutlivesAScan) {
  constexpr std::uint64_t kFailing = 7'000'000;
  ServiceTable table(kHash, 1000);
  for (int i = 0; i < 5; ++i) fail(table, kFailing);
  std::uint64_t scanned = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 2000; ++i) fail(table, ++scanned);
    fail(table, kFailing);
    ASSERT_EQ(table[*table.find(key_of(kFailing))].failures.total(),
              static_cast<unsigned>(round + 6));
  }
}

// A scan of more services than there are rows while all of them are pending: bounded work, nothing lost.
TEST(ServiceTable, WhatFindsNoRowIsCountedAmongTheOthers) {
  ServiceTable table(kHash, 100);
  for (std::uint64_t n = 0; n < 1000; ++n) static_cast<void>(open(table, n));
  EXPECT_EQ(table[ServiceTable::kOthers].pending, 1000U - 99U);
  EXPECT_EQ(all_attempts(table), 1000U);
  EXPECT_EQ(table.displaced(), 0U);
}

struct Naive {
  std::uint64_t attempts = 0;
  std::uint64_t failures = 0;
  std::uint64_t success = 0;
};

// An attempt that is pending, as its handshake counts what it repeats.
struct Open {
  std::uint64_t n = 0;
  ServiceTable::Number number = 0;
  std::uint8_t syns = 0;
  std::uint8_t synacks = 0;
};

// As the outcome counter does it: the number stays at 255, from which on nothing is told any more.
void repeat(ServiceTable& table, Open& one, bool synack) {
  if (one.syns + one.synacks == 0) table.retrying(one.number);
  std::uint8_t& repeated = synack ? one.synacks : one.syns;
  if (repeated != 255) ++repeated;
  if (repeated <= kMostRepeatedWhilePending)
    table.sent_again(one.number, synack ? 0 : 1, synack ? 1 : 0);
}

void expect_same_repetitions(const ServiceTable& table, const std::vector<Open>& open_ones) {
  std::map<std::size_t, std::array<std::uint64_t, 3>> naive;
  for (const Open& one : open_ones) {
    auto& [retrying, syns, synacks] = naive[one.number];
    retrying += one.syns + one.synacks != 0;
    syns += std::min<std::uint64_t>(254, one.syns);
    synacks += std::min<std::uint64_t>(254, one.synacks);
  }
  for (std::size_t i = 0; i < table.end(); ++i) {
    const std::array<std::uint64_t, 3> told{table[i].retrying, table[i].retrying_syns,
                                            table[i].retrying_synacks};
    ASSERT_EQ(told, naive[i]) << "row " << i;
  }
}

void agrees_with_a_map(std::uint64_t seed) {
  std::mt19937 random(static_cast<std::uint32_t>(seed));
  const std::size_t rows = 2 + random() % 60;
  const std::uint64_t services = 1 + random() % 120;
  ServiceTable table(AddressHash::random(), rows);
  std::map<std::uint64_t, Naive> naive;
  std::vector<Open> open_ones;
  std::uint64_t attempts = 0;
  for (int i = 0; i < 3000; ++i) {
    if (open_ones.empty() || (random() % 2 == 0 && open_ones.size() < 40)) {
      const std::uint64_t n = random() % services;
      const auto number = open(table, n, i);
      if (number != ServiceTable::kOthers) {
        ASSERT_EQ(table[number].key, key_of(n));
      }
      open_ones.push_back({.n = n, .number = number});
      ++naive[n].attempts;
      ++attempts;
    } else if (random() % 3 == 0) {
      Open& one = open_ones[random() % open_ones.size()];
      const bool synack = random() % 2 == 0;
      const unsigned times = random() % 20 == 0 ? 300 : 1;
      for (unsigned time = 0; time < times; ++time) repeat(table, one, synack);
    } else {
      const std::size_t which = random() % open_ones.size();
      const auto [n, number, syns, synacks] = open_ones[which];
      open_ones.erase(open_ones.begin() + static_cast<std::ptrdiff_t>(which));
      if (number != ServiceTable::kOthers) {
        ASSERT_EQ(table[number].key, key_of(n)) << "taken from under a pending attempt";
      }
      const bool success = random() % 2 == 0;
      if (syns + synacks != 0) table.repeated(number, syns, synacks);
      if (success) {
        table.succeeded(number, at(i), kTimes);
      } else {
        table.failed(number, Cause::no_answer, at(i));
      }
      ++(success ? naive[n].success : naive[n].failures);
    }
    if (random() % 100 == 0) table.begin_window();
    if (i % 50 == 0) {
      ASSERT_TRUE(table.consistent());
      ASSERT_EQ(all_attempts(table), attempts);
      expect_same_repetitions(table, open_ones);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  const Service& others = table[ServiceTable::kOthers];
  for (const auto& [n, counts] : naive) {
    const auto number = table.find(key_of(n));
    const std::uint64_t counted = number ? table[*number].attempts() : 0;
    EXPECT_LE(counted, counts.attempts);
    EXPECT_GE(counted + others.attempts(), counts.attempts) << "the error is what the others have";
    if (table.displaced() != 0 || others.attempts() != 0) continue;
    ASSERT_TRUE(number);
    EXPECT_EQ(table[*number].success, counts.success);
    EXPECT_EQ(table[*number].failures.no_answer, counts.failures);
  }
}

TEST(ServiceTable, AgreesWithAMap) {
  for_each_seed(40, agrees_with_a_map);
}

TEST(ServiceTable, HoldsAllServicesItSays) {
  ServiceTable table(kHash);
  for (std::uint64_t n = 0; n < 70'000; ++n) succeed(table, n);
  EXPECT_EQ(table.end(), ServiceTable::kMostServices);
  EXPECT_EQ(all_attempts(table), 70'000U);
  EXPECT_TRUE(table.consistent());
  EXPECT_LE(table.memory_bytes(), 34U << 20);
}

TEST(LegHistogram, IsOffByAQuarterAtMost) {
  for (std::int64_t us = 32; us < 1'048'576; us += 1 + us / 100) {
    LegHistogram histogram;
    histogram.add(microseconds(us));
    LegHistogram::Sums sums{};
    histogram.add_to(sums);
    const auto told = LegHistogram::quantile(sums, 0.5).count();
    ASSERT_LE(told, us + us / 4 + 1) << us;
    ASSERT_GE(told, us - us / 4 - 1) << us;
  }
}

TEST(LegHistogram, TellsQuantilesAndItsEnds) {
  LegHistogram histogram;
  for (int i = 0; i < 98; ++i) histogram.add(microseconds(1));
  histogram.add(microseconds(100));
  histogram.add(std::chrono::minutes(5));
  LegHistogram::Sums sums{};
  histogram.add_to(sums);
  EXPECT_EQ(histogram.count(), 100U);
  EXPECT_EQ(LegHistogram::quantile(sums, 0.5), microseconds(32)) << "32 us at most";
  EXPECT_EQ(LegHistogram::quantile(sums, 0.99), microseconds(112)) << "96 to 128 us";
  EXPECT_EQ(LegHistogram::quantile(sums, 1), microseconds(1'048'576)) << "or more";
}

}  // namespace
}  // namespace tcpeek::engine
