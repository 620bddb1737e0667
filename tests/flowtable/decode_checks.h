// What holds of any frame, whatever is in it: the tests of random frames and the fuzz target ask it.
#pragma once

#include <algorithm>
#include <string>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {

inline std::string in_hex(const Octets& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const std::byte b : bytes) {
    out += kDigits[std::to_integer<std::size_t>(b) >> 4];
    out += kDigits[std::to_integer<std::size_t>(b) & 15];
  }
  return out;
}

inline void expect_well_formed(const Decoded& d, const Octets& bytes) {
  if (d.what != "segment") {
    const auto at = std::find(kIgnoredNames.begin(), kIgnoredNames.end(), d.what);
    EXPECT_LT(at - kIgnoredNames.begin(), static_cast<std::ptrdiff_t>(Ignored::no_attempt))
        << d.what << " is the tracker's to say\n"
        << in_hex(bytes);
    return;
  }
  const Segment& s = d.segment;
  EXPECT_LE(s.key.end(Sender::low), s.key.end(Sender::high)) << in_hex(bytes);
  EXPECT_EQ(is_v4(s.key.low_address), is_v4(s.key.high_address)) << in_hex(bytes);
  if (s.kind == SegmentKind::unreachable) {
    EXPECT_TRUE(s.acknowledgment == 0 && s.payload == 0) << in_hex(bytes);
    EXPECT_FALSE(s.opens() || s.answers()) << in_hex(bytes);
  } else {
    EXPECT_EQ(s.kind, SegmentKind::tcp);
  }
}

// The packet twice: as it is, and with a tag before it.
struct Both {
  Decoded at_once;
  Decoded behind_a_tag;
};

inline Both decode_both(const Octets& network, std::uint16_t ethertype, bool ethernet,
                        std::uint32_t wire_length) {
  Octets link(ethernet ? 12 : 0, std::byte{2});
  Octets plain = link;
  if (ethernet) tcpeek::test::put16(plain, ethertype);
  Octets tagged = link;
  if (ethernet) tcpeek::test::put16(tagged, 0x8100);
  tcpeek::test::put16(tagged, 0x0064);
  tcpeek::test::put16(tagged, ethertype);

  Frame frame;
  frame.interface = kInterface;
  frame.time = kTime;
  const auto decode_behind = [&](Octets header, std::uint16_t type) {
    frame.ethertype = type;
    frame.wire_length = wire_length + static_cast<std::uint32_t>(header.size());
    tcpeek::test::append(header, network);
    return decode_copy(ethernet ? LinkFraming::ethernet : LinkFraming::network, Verify::none, frame,
                       header);
  };
  return {decode_behind(plain, ethertype), decode_behind(tagged, 0x8100)};
}

inline void expect_agreement(const Octets& network, std::uint16_t ethertype, bool ethernet,
                             std::uint32_t wire_length) {
  const Both both = decode_both(network, ethertype, ethernet, wire_length);
  ASSERT_EQ(both.at_once.what, both.behind_a_tag.what);
  ASSERT_EQ(seen(both.at_once.segment), seen(both.behind_a_tag.segment));
  ASSERT_EQ(both.at_once.segment.sender, both.behind_a_tag.segment.sender);
  ASSERT_EQ(both.at_once.segment.kind, both.behind_a_tag.segment.kind);
  ASSERT_EQ(both.at_once.segment.interface, both.behind_a_tag.segment.interface);
  ASSERT_EQ(both.at_once.segment.time, both.behind_a_tag.segment.time);
}

}  // namespace tcpeek::flowtable::decode_test
