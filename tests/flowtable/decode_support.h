// What the tests of the decoder share: a packet is decoded from a copy that ends where the capture
// does, so that the address sanitizer sees any read beyond it, and the outcome is put into words.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include "flowtable/decode.h"
#include "flowtable/fast_open.h"
#include "tests/support/packet_builder.h"

namespace tcpeek::flowtable::decode_test {

using tcpeek::test::Address;
using tcpeek::test::Octets;
using tcpeek::test::PacketBuilder;

inline constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
inline constexpr std::uint32_t kInterface = 7;
inline constexpr PacketTime kTime{std::chrono::nanoseconds(1'700'000'000'123'456'789)};

inline Endpoint endpoint(const Address& address, std::uint16_t port) {
  Endpoint end;
  end.port = port;
  if (address.v6) {
    end.address = address.bytes;
  } else {
    end.address[10] = end.address[11] = 0xff;
    std::copy_n(address.bytes.begin(), 4, end.address.begin() + 12);
  }
  return end;
}

// A segment as it stood on the wire.
struct Seen {
  Endpoint source;
  Endpoint destination;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  unsigned flags = 0;
  std::size_t payload = 0;
  bool unreachable = false;

  bool operator==(const Seen&) const = default;
};

// An ICMP error quotes no flags.
inline Seen seen(const Segment& s) {
  const bool unreachable = s.kind == SegmentKind::unreachable;
  return {s.key.end(s.sender), s.key.end(other(s.sender)), s.sequence,
          s.acknowledgment,    unreachable ? 0U : s.flags, s.payload,
          unreachable};
}

// What a builder's packet must decode to, without a word of the decoder's; `payload` bytes of data.
inline Seen built(const PacketBuilder& packet, std::size_t payload) {
  const auto& p = packet.parts();
  // Where options are read for Fast Open, which builders do not ask for, a SYN's URG gives way to it.
  const bool read = has_unusual_options(p.data_offset ? *p.data_offset * 4U : 20 + p.tcp_options);
  const bool urgent_syn = read && (p.flags & 0x32U) == 0x22U;
  return {endpoint(p.source, p.source_port),
          endpoint(p.destination, p.destination_port),
          p.seq,
          p.ack,
          urgent_syn ? p.flags & ~0x20U : p.flags,
          payload,
          false};
}

inline Seen quoted(const PacketBuilder& packet) {
  const auto& p = packet.parts();
  return {endpoint(p.source, p.source_port),
          endpoint(p.destination, p.destination_port),
          p.seq,
          0,
          0,
          0,
          true};
}

inline std::string text(const Endpoint& end) {
  std::array<char, INET6_ADDRSTRLEN> name{};
  const bool v4 = is_v4(end.address);
  inet_ntop(v4 ? AF_INET : AF_INET6, end.address.data() + (v4 ? 12 : 0), name.data(), name.size());
  return std::string(name.data()) + ' ' + std::to_string(end.port);
}

inline std::ostream& operator<<(std::ostream& out, const Seen& s) {
  out << text(s.source) << ' ' << text(s.destination) << ' ' << s.sequence;
  if (s.unreachable) return out << " unreachable";
  return out << ' ' << s.acknowledgment << ' ' << s.flags << ' ' << s.payload;
}

struct Decoded {
  std::string_view what = "segment";  // or the reason's name
  Segment segment{};
};

inline Segment filled_with(int byte) {
  Segment segment;
  std::memset(static_cast<void*>(&segment), byte, sizeof segment);
  return segment;
}

// Decodes the first `captured` bytes of the frame. Whatever was in the segment before must not
// matter.
inline Decoded decode_copy(LinkFraming link, const DecodeRules& rules, Frame frame,
                           const Octets& bytes, std::size_t captured = kAll) {
  captured = std::min(captured, bytes.size());
  const auto copy = std::make_unique<std::byte[]>(captured);
  std::copy_n(bytes.begin(), captured, copy.get());
  frame.bytes = Bytes(copy.get(), captured);

  Segment one = filled_with(0x00);
  Segment two = filled_with(0x01);
  const auto reason = decode(link, rules, frame, one);
  EXPECT_EQ(reason, decode(link, rules, frame, two)) << "depends on what was there before";
  if (reason) return {kIgnoredNames.at(static_cast<std::size_t>(*reason)), {}};
  EXPECT_TRUE(seen(one) == seen(two) && one.interface == two.interface && one.time == two.time)
      << "leaves a member as it was";
  return {"segment", one};
}

inline Decoded decode_copy(LinkFraming link, Verify verify, Frame frame, const Octets& bytes,
                           std::size_t captured = kAll) {
  return decode_copy(link, DecodeRules{.verify = verify}, frame, bytes, captured);
}

struct Look {
  Verify verify = Verify::none;
  bool waived = false;
  std::size_t captured = kAll;  // of the packet, from its IP header on
  Tunnels tunnels{};
};

inline Frame frame_of(const PacketBuilder& packet, std::size_t wire_length, const Look& look = {}) {
  Frame frame;
  frame.wire_length = static_cast<std::uint32_t>(wire_length);
  frame.ethertype = packet.parts().first_ethertype();
  frame.checksum_waived = look.waived;
  frame.interface = kInterface;
  frame.time = kTime;
  return frame;
}

// Decodes the packet bare, over Ethernet, and tagged both ways: four times the same must come out.
inline Decoded decode_packet(const PacketBuilder& packet, const Look& look = {}) {
  Decoded first;
  for (int form = 0; form < 4; ++form) {
    PacketBuilder p = packet;
    if (form % 2 == 1) p.ethernet();
    if (form / 2 == 1) p.vlan(0x8100, 42);
    const Octets bytes = p.build();
    const std::size_t link_header = (form % 2 == 1 ? 14U : 0U) + (form / 2 == 1 ? 4U : 0U);
    const Decoded now =
        decode_copy(form % 2 == 1 ? LinkFraming::ethernet : LinkFraming::network,
                    {look.verify, look.tunnels}, frame_of(p, bytes.size(), look), bytes,
                    look.captured == kAll ? kAll : link_header + look.captured);
    if (form == 0) first = now;
    EXPECT_EQ(now.what, first.what) << packet.description() << ", form " << form;
    EXPECT_EQ(seen(now.segment), seen(first.segment)) << packet.description() << ", form " << form;
  }
  return first;
}

inline std::string_view outcome(const PacketBuilder& packet, const Look& look = {}) {
  return decode_packet(packet, look).what;
}

inline std::string_view outcome_of_first(std::size_t captured, const PacketBuilder& packet) {
  Look look;
  look.captured = captured;
  return outcome(packet, look);
}

}  // namespace tcpeek::flowtable::decode_test
