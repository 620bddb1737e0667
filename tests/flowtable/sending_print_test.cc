// What tells two sendings of a SYN apart: IP identification and TCP timestamp.
#include "flowtable/sending_print.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <vector>

#include "flowtable/decode.h"
#include "tests/support/ends.h"

namespace tcpeek::flowtable {
namespace {

std::vector<std::byte> tcp_with(std::initializer_list<int> options) {
  std::vector<std::byte> tcp(20);
  for (const int byte : options) tcp.push_back(static_cast<std::byte>(byte));
  return tcp;
}

std::optional<std::uint32_t> value_in(std::initializer_list<int> options) {
  const auto tcp = tcp_with(options);
  return timestamp_value(tcp, tcp.size());
}

TEST(TimestampValue, IsFoundAmongTheOptions) {
  EXPECT_EQ(value_in({8, 10, 1, 2, 3, 4, 0, 0, 0, 0}), 0x01020304U);
  EXPECT_EQ(value_in({1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0}), 0x01020304U);
  EXPECT_EQ(value_in({2, 4, 5, 180, 4, 2, 8, 10, 9, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}), 0x09000001U);
}

TEST(TimestampValue, IsAbsentWithoutOne) {
  EXPECT_EQ(value_in({}), std::nullopt);
  EXPECT_EQ(value_in({1, 1, 1, 1}), std::nullopt);
  EXPECT_EQ(value_in({0, 0, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0}), std::nullopt) << "behind the end";
  EXPECT_EQ(value_in({2, 0, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0}), std::nullopt) << "a length that lies";
  EXPECT_EQ(value_in({2, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0}), std::nullopt);
  EXPECT_EQ(value_in({2, 200, 8, 10}), std::nullopt) << "a length that leads out";
}

TEST(TimestampValue, IsReadNoFurtherThanThereAreBytes) {
  const auto tcp = tcp_with({1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0});
  for (std::size_t captured = 0; captured <= tcp.size(); ++captured) {
    const auto expected = captured < 28 ? std::nullopt : std::optional(0x01020304U);
    EXPECT_EQ(timestamp_value(Bytes(tcp).first(captured), tcp.size()), expected) << captured;
    EXPECT_EQ(timestamp_value(tcp, captured), expected) << captured;
  }
}

TEST(SendingPrint, DiffersBetweenSendingsOneAfterTheOther) {
  for (const bool by_timestamp : {false, true}) {
    unsigned same = 0;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      const std::uint32_t first = i * 7919;
      const std::uint32_t next = first + (by_timestamp ? 1000 + i % 50 : 1);
      const auto print = [&](std::uint32_t number) {
        std::vector<std::byte> tcp = tcp_with({8, 10, 0, 0, 0, 0, 0, 0, 0, 0});
        if (by_timestamp) {
          for (unsigned byte = 0; byte < 4; ++byte) {
            tcp[22 + byte] = static_cast<std::byte>(number >> (24 - 8 * byte));
          }
        }
        const auto id = static_cast<std::uint16_t>(by_timestamp ? 0 : number);
        return sending_print(id, tcp, tcp.size());
      };
      same += print(first) == print(next) ? 1U : 0U;
    }
    EXPECT_EQ(same, 0U);
  }
}

TEST(SendingPrint, DiffersBetweenNoTimestampAndZero) {
  const auto none = tcp_with({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  const auto zero = tcp_with({1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_NE(sending_print(0, none, none.size()), sending_print(0, zero, zero.size()));
}

TEST(SendingPrint, IsThatOfTheFrame) {
  std::mt19937 random(1);
  const auto a = test::random_end(random, false);
  const auto b = test::random_end(random, false);
  for (const auto flags : {test::tcp_bit::syn, test::tcp_bit::ack}) {
    const bool syn = flags == test::tcp_bit::syn;
    auto frame = test::segment(a, b, flags).seq(5).tcp_options(20).build();
    std::set<std::uint8_t> prints;
    for (const int identification : {1, 2}) {
      frame[14 + 5] = static_cast<std::byte>(identification);
      // The quick way, and the thorough one.
      for (const Verify verify : {Verify::none, Verify::ip_header}) {
        Segment segment;
        const Frame whole{.bytes = frame, .wire_length = static_cast<std::uint32_t>(frame.size())};
        if (decode(LinkFraming::ethernet, {.verify = verify}, whole, segment)) continue;
        prints.insert(segment.print);
        EXPECT_EQ(segment.print != 0, syn) << "of a SYN alone";
      }
    }
    EXPECT_EQ(prints.size(), syn ? 2U : 1U);
  }
}

}  // namespace
}  // namespace tcpeek::flowtable
