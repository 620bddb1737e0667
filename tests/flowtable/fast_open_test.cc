// Whether a SYN asks for Fast Open, as options and as a frame.
#include "flowtable/fast_open.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <random>
#include <vector>

#include "flowtable/decode.h"
#include "tests/support/ends.h"

namespace tcpeek::flowtable {
namespace {

constexpr std::uint8_t kSyn = tcp_flag::syn;

std::vector<std::byte> tcp_with(std::initializer_list<int> options) {
  std::vector<std::byte> tcp(20);
  for (const int byte : options) tcp.push_back(static_cast<std::byte>(byte));
  return tcp;
}

bool asks(std::initializer_list<int> options) {
  const auto tcp = tcp_with(options);
  const std::uint8_t with = with_fast_open(kSyn | tcp_flag::fast_open, tcp, tcp.size());
  EXPECT_EQ(with, with_fast_open(kSyn, tcp, tcp.size())) << "URG has to make room";
  EXPECT_EQ(with & ~tcp_flag::fast_open, kSyn);
  return (with & tcp_flag::fast_open) != 0;
}

TEST(FastOpen, IsFoundAmongTheOptions) {
  EXPECT_TRUE(asks({34, 2, 1, 1})) << "a request for a cookie";
  EXPECT_TRUE(asks({2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 8, 34, 10, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_TRUE(asks({1, 1, 34, 2}));
  EXPECT_FALSE(asks({}));
  EXPECT_FALSE(asks({2, 4, 34, 34, 1, 1, 1, 1})) << "in another option";
  EXPECT_FALSE(asks({0, 34, 2, 1})) << "behind the end";
  EXPECT_FALSE(asks({2, 0, 34, 2}));
  EXPECT_FALSE(asks({2, 1, 34, 2}));
  EXPECT_FALSE(asks({2, 200, 34, 2}));
  EXPECT_FALSE(asks({1, 1, 1, 34})) << "cut";
}

TEST(FastOpen, IsReadNoFurtherThanThereAreBytes) {
  const auto tcp = tcp_with({1, 1, 34, 2});
  for (std::size_t captured = 0; captured <= tcp.size(); ++captured) {
    EXPECT_EQ(with_fast_open(kSyn, Bytes(tcp).first(captured), tcp.size()) != kSyn, captured == 24);
  }
}

TEST(FastOpen, IsLookedForWhereItMayBe) {
  EXPECT_FALSE(has_unusual_options(20));
  EXPECT_FALSE(has_unusual_options(32)) << "Windows without it";
  EXPECT_TRUE(has_unusual_options(36)) << "Windows with it";
  EXPECT_FALSE(has_unusual_options(40)) << "Linux without it";
  EXPECT_TRUE(has_unusual_options(44)) << "Linux with a request";
  EXPECT_TRUE(has_unusual_options(60));
  const auto tcp = tcp_with({34, 2, 1, 1});
  constexpr std::uint8_t kSynAck = kSyn | tcp_flag::ack;
  EXPECT_EQ(with_fast_open(kSynAck, tcp, tcp.size()), kSynAck) << "grants, and does not ask";
}

TEST(FastOpen, IsThatOfTheFrame) {
  std::mt19937 random(1);
  for (const bool v6 : {false, true}) {
    const auto a = test::random_end(random, v6);
    const auto b = test::random_end(random, v6);
    for (const bool has : {false, true}) {
      auto frame = test::segment(a, b, test::tcp_bit::syn).tcp_options(24).build();
      const std::size_t options = frame.size() - 24;
      if (has) {
        frame[options + 20] = std::byte{34};
        frame[options + 21] = std::byte{2};
      }
      // The quick way, and the thorough one.
      for (const Verify verify : {Verify::none, Verify::ip_header}) {
        Segment segment;
        const Frame whole{.bytes = frame, .wire_length = static_cast<std::uint32_t>(frame.size())};
        ASSERT_FALSE(decode(LinkFraming::ethernet, {.verify = verify}, whole, segment));
        EXPECT_EQ(segment.flags, has ? kSyn | tcp_flag::fast_open : kSyn);
        EXPECT_TRUE(segment.opens());
      }
    }
  }
}

}  // namespace
}  // namespace tcpeek::flowtable
