// All readers as one thing: what one says is heard, and what they count together does not depend on how
// many they are.
#include "engine/replay/replay_readers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using std::chrono::seconds;

constexpr PacketTime kStart{seconds(1'700'000'000)};
constexpr std::uint16_t kPorts = 3000;

std::vector<ReplayConfig> configs(unsigned readers) {
  std::vector<ReplayConfig> configs;
  for (unsigned i = 0; i < readers; ++i) {
    configs.push_back({.id = i,
                       .readers = readers,
                       .tracker = {.capacity = 10'000},
                       .steering = {},
                       .print_outcomes = true});
  }
  return configs;
}

// A SYN without a link header.
std::vector<std::byte> syn(std::uint16_t port) {
  const auto high = static_cast<unsigned char>(port >> 8);
  const auto low = static_cast<unsigned char>(port & 0xff);
  const unsigned char bytes[] = {0x45, 0, 0,   40, 0,    0, 0,    0,    64, 6,  0, 0, 192, 0,
                                 2,    1, 198, 51, 100,  2, high, low,  0,  80, 0, 0, 0,   1,
                                 0,    0, 0,   0,  0x50, 2, 0xff, 0xff, 0,  0,  0, 0};
  std::vector<std::byte> packet;
  for (const unsigned char byte : bytes) packet.push_back(std::byte{byte});
  return packet;
}

class ReplayReadersTest : public testing::TestWithParam<unsigned> {
 protected:
  FilterRegistry filters_{parse_filters({})};
  ReplayReaders readers_{configs(GetParam()), filters_, Locality::everywhere()};
};

TEST_P(ReplayReadersTest, EachHasAThreadOfItsOwn) {
  std::vector<std::thread::id> threads(readers_.size());
  readers_.on_each_thread([&](unsigned i) { threads.at(i) = std::this_thread::get_id(); });
  EXPECT_EQ(threads[0], std::this_thread::get_id());
  std::sort(threads.begin(), threads.end());
  EXPECT_EQ(std::unique(threads.begin(), threads.end()), threads.end());
}

TEST_P(ReplayReadersTest, WhatOneThrowsIsThrown) {
  for (unsigned thrower = 0; thrower < readers_.size(); ++thrower) {
    std::atomic<unsigned> ran{0};
    try {
      readers_.on_each_thread([&](unsigned i) {
        ++ran;
        if (i == thrower) throw std::runtime_error("reader " + std::to_string(i));
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& e) {
      EXPECT_EQ(e.what(), "reader " + std::to_string(thrower));
    }
    EXPECT_EQ(ran, readers_.size());
  }
}

TEST_P(ReplayReadersTest, TogetherTheyTakeEachPacketOnce) {
  std::vector<std::vector<std::byte>> frames;
  std::vector<ring::SavedPacket> packets;
  for (std::uint16_t port = 1; port <= kPorts; ++port) frames.push_back(syn(port));
  for (const auto& frame : frames) {
    packets.push_back({.bytes = frame,
                       .time_ns = kStart.time_since_epoch().count(),
                       .wire_length = 40,
                       .interface = 0});
  }
  const ReplayInterface raw{.link = flowtable::LinkFraming::raw_ip, .filter = nullptr, .number = 1};
  readers_.take(packets, std::span(&raw, 1));
  EXPECT_EQ(readers_.pending(), kPorts);
  std::uint64_t delivered = 0;
  for (const ReaderView& view : readers_.views({})) {
    const ReaderReport& report = *view.report;
    delivered += report.delivered;
    EXPECT_GT(report.pending, 0U);
  }
  EXPECT_EQ(delivered, kPorts);

  std::size_t told = 0;
  OutcomeRecord outcome;
  readers_.sweep(kStart + seconds(1000), [&] {
    for (OutcomeQueue* queue : readers_.outcomes()) {
      while (queue->pop(outcome)) ++told;
    }
  });
  EXPECT_EQ(told, kPorts) << "the queues have room for each part's outcomes";
  EXPECT_EQ(readers_.pending(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ReplayReadersTest, testing::Values(1U, 2U, 3U, 8U));

}  // namespace
}  // namespace tcpeek::engine
