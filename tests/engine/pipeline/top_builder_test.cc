// What several readers tell, merged: sums, times and bounds.
#include "engine/pipeline/top_builder.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/filters/address.h"

namespace tcpeek::engine {
namespace {

using ipc::TopBy;
using namespace std::chrono_literals;

constexpr std::int64_t kOffset = 1'000'000'000'000;

TopKey key(std::uint8_t host, std::uint16_t port = 80) {
  return {{{parse_address("192.0.2.0")->bytes}, {}}, static_cast<std::uint16_t>(port + host), 1};
}

ipc::TopTime wall(std::int64_t ns) {
  return std::chrono::system_clock::time_point(std::chrono::nanoseconds(ns + kOffset));
}

// Some readers' reports.
struct Readers {
  explicit Readers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      owned.push_back(std::make_unique<TopReport>());
      owned.back()->wall_offset = kOffset;
      all.push_back(owned.back().get());
    }
  }
  TopReport& operator[](std::size_t i) { return *owned[i]; }

  std::vector<std::unique_ptr<TopReport>> owned;
  std::vector<const TopReport*> all;
};

TEST(TopBuilder, ChoosesBySumsOverReaders) {
  Readers readers(2);
  readers[0].candidates = {{key(1), {5, 5, 5}}, {key(2), {4, 4, 4}}, {key(3), {0, 9, 9}}};
  readers[1].candidates = {{key(2), {3, 3, 3}}, {key(4), {6, 6, 6}}};
  readers[1].unlisted = {2, 2, 2};
  const TopChoice choice = choose_top(readers.all, 2);
  EXPECT_EQ(choice.keys, (std::vector{key(2), key(4)}));
  EXPECT_EQ(choice.unlisted_failures, 5U + 2U) << "key 1 may have two more at reader 1";
  const TopChoice everything = choose_top(readers.all, 100);
  EXPECT_EQ(everything.keys, (std::vector{key(2), key(4), key(1), key(3)}))
      << "recent failures first";
  EXPECT_EQ(everything.unlisted_failures, 2U);
}

TEST(TopBuilder, NothingIsKnownOfNothing) {
  Readers readers(3);
  const TopChoice choice = choose_top(readers.all, 10);
  EXPECT_TRUE(choice.keys.empty());
  EXPECT_TRUE(build_top({}, choice, readers.all, {}).services.empty());
  EXPECT_TRUE(build_top({.count = 1, .by = TopBy::pair}, choice, readers.all, {}).peers.empty());
}

TopService service(std::uint64_t success, std::uint64_t refused) {
  TopService told;
  told.row.success = success;
  told.row.failures.refused = refused;
  told.row.counting_since = 100;
  told.recent = {success + refused, refused};
  return told;
}

TEST(TopBuilder, SumsServicesUp) {
  Readers readers(2);
  readers[0].services = {service(3, 1), service(0, 0)};
  readers[1].services = {service(4, 2), service(7, 9)};
  readers[0].services[0].row.counting_since = 50;
  readers[0].services[0].row.retrying = 1;
  readers[0].services[0].row.retrying_syns = 5;
  readers[1].services[0].row.retrying = 2;
  readers[1].services[0].row.retrying_syns = 6;
  readers[1].services[0].row.retrying_synacks = 4;
  readers[0].others = service(1, 1);
  readers[1].others = service(2, 0);
  readers[0].services_known = readers[1].services_known = 5;
  for (int i = 0; i < 9; ++i) {
    readers[0].services[0].row.syn_to_synack.add(40us);
    readers[1].services[0].row.syn_to_synack.add(1000us);
  }
  const ipc::Top top = build_top({}, {{key(1), key(2)}, 4}, readers.all, {});
  ASSERT_EQ(top.services.size(), 2U);
  EXPECT_EQ(top.services[0].port, 82U) << "ordered anew by what is told";
  const ipc::TopServiceRow& row = top.services[1];
  EXPECT_EQ(row.address, "192.0.2.0");
  EXPECT_EQ(row.attempts, 10U);
  EXPECT_EQ(row.success, 7U);
  EXPECT_EQ(row.failures.total, 3U);
  EXPECT_EQ(row.recent_failures, 3U);
  EXPECT_EQ(row.recent_attempts, 10U);
  EXPECT_EQ(row.retrying, 3U);
  EXPECT_EQ(row.retrying_dup_syn_segments, 11U);
  EXPECT_EQ(row.retrying_dup_synack_segments, 4U);
  EXPECT_EQ(row.counting_since, wall(50));
  EXPECT_EQ(row.identity, 50) << "packet time, which no step of the wall clock changes";
  EXPECT_EQ(row.syn_to_synack.count, 18U);
  EXPECT_EQ(row.syn_to_synack.p50, 40us);
  EXPECT_EQ(row.syn_to_synack.p99, 896us);
  EXPECT_EQ(row.synack_to_ack.count, 0U);
  EXPECT_EQ(top.others.attempts, 4U);
  EXPECT_EQ(top.services_known, 10U);
  EXPECT_EQ(top.unlisted_failures, 4U);
}

// Since the first failure that no reader saw a success after.
TEST(TopBuilder, AServiceFailsSinceTheLastSuccessOfAnyReader) {
  struct Case {
    std::int64_t success0, since0, last0;
    std::int64_t success1, since1, last1;
    ipc::TopTime failing_since;
  };
  const std::vector<Case> cases{
      {0, 0, 0, 0, 0, 0, std::nullopt},
      {10, 20, 30, 0, 0, 0, wall(20)},
      {10, 20, 30, 5, 15, 15, wall(15)},
      {10, 20, 30, 40, 0, 0, std::nullopt},  // another reader saw it succeed
      {10, 20, 50, 40, 0, 0, wall(50)},      // ... and then it failed again: by then at the latest
      {0, 3, 9, 0, 5, 7, wall(3)},           // it never worked
  };
  for (const Case& c : cases) {
    Readers readers(2);
    for (std::size_t i = 0; i < 2; ++i) {
      Service row;
      row.last_success = i == 0 ? c.success0 : c.success1;
      row.failing_since = i == 0 ? c.since0 : c.since1;
      row.last_failure = i == 0 ? c.last0 : c.last1;
      readers[i].services = {{row, {}}};
    }
    const ipc::Top top = build_top({}, {{key(1)}, 0}, readers.all, {});
    EXPECT_EQ(top.services.at(0).failing_since, c.failing_since)
        << c.since0 << ' ' << c.success1 << ' ' << c.since1;
  }
}

TEST(TopBuilder, SumsPeersAndTheirErrorsUp) {
  Readers readers(2);
  for (std::size_t i = 0; i < 2; ++i) {
    PeerCounts counts;
    counts.attempts = 100 + i;
    counts.failures.failures = 10;
    counts.failures.error = 2 + i;
    counts.failures.counted.no_answer = 8 - i;
    counts.failures.first = static_cast<std::int64_t>(5 - i);
    counts.failures.last = static_cast<std::int64_t>(7 + i);
    readers[i].peers = {counts};
    readers[i].attempts_error = 3;
  }
  const ipc::Top top =
      build_top({.count = 1, .by = TopBy::network}, {{key(0)}, 0}, readers.all, {});
  ASSERT_EQ(top.peers.size(), 1U);
  const ipc::TopPeerRow& row = top.peers[0];
  EXPECT_EQ(row.network, "192.0.2.0/24");
  EXPECT_EQ(row.attempts, 201U);
  EXPECT_EQ(row.failures.total, 20U);
  EXPECT_EQ(row.failures_error, 5U);
  EXPECT_EQ(row.failures.causes.no_answer, 15U);
  EXPECT_EQ(row.first_failure, wall(4));
  EXPECT_EQ(row.last_failure, wall(8));
  EXPECT_EQ(top.attempts_error, 6U);
}

}  // namespace
}  // namespace tcpeek::engine
