// What a handshake keeps of the options of its first SYN.
#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <utility>

#include "flowtable/handshake.h"
#include "tests/support/handshake_lines.h"

namespace tcpeek::flowtable {
namespace {

using namespace test;
using tcp_flag::syn;

// What the first SYN asked for is kept while it is not answered and repetitions do not ask for it.
TEST(Handshake, KeepsWhatOnlyTheFirstSynAskedFor) {
  using tcp_flag::fast_open;
  constexpr std::uint8_t kEcn = tcp_flag::ece | tcp_flag::cwr;
  constexpr Isns kBoth{7, 9};
  const auto asking = [&](std::uint8_t flags, std::uint16_t data,
                          std::initializer_list<Line> lines) {
    Handshake h;
    begin(h, step_of(up(syn | flags, 0, 0, {}).data(data), kBoth, 0));
    note_requests(h, syn | flags, data);
    std::int64_t at_us = 0;
    for (const Line& line : lines) {
      at_us = line.at_us.value_or(at_us + 1'000'000);
      step(h, step_of(line, kBoth, at_us), kWindowUs);
    }
    return std::pair(bool{h.ecn_at_first}, bool{h.fast_open_at_first});
  };
  const Line again = up(syn, 0, 0, {});
  EXPECT_EQ(asking(0, 0, {}), std::pair(false, false));
  EXPECT_EQ(asking(kEcn, 0, {}), std::pair(true, false));
  EXPECT_EQ(asking(tcp_flag::ece, 0, {}), std::pair(false, false)) << "half of the request";
  EXPECT_EQ(asking(fast_open, 0, {}), std::pair(false, true));
  EXPECT_EQ(asking(0, 5, {}), std::pair(false, true)) << "data";
  EXPECT_EQ(asking(kEcn | fast_open, 5, {again, again}), std::pair(true, true));
  EXPECT_EQ(asking(kEcn, 5, {up(syn | kEcn, 0, 0, {})}), std::pair(false, true)) << "asks again";
  EXPECT_EQ(asking(kEcn, 5, {again.data(5)}), std::pair(true, false));
  EXPECT_EQ(asking(kEcn, 5, {kAnswer}), std::pair(true, true));
  EXPECT_EQ(asking(kEcn, 5, {kAnswer, again}), std::pair(false, false)) << "the first one arrived";
  EXPECT_EQ(asking(kEcn, 0, {up(syn | kEcn, 0, 0, {}).at(500)}), std::pair(true, false))
      << "a copy";
}

}  // namespace
}  // namespace tcpeek::flowtable
