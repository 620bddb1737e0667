// A frame with all arguments of decode(), read from a target's input and written as a seed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "flowtable/decode.h"
#include "tests/fuzz/input.h"

namespace tcpeek::fuzz {

inline constexpr std::array kLinks{
    flowtable::LinkFraming::ethernet,  flowtable::LinkFraming::network,
    flowtable::LinkFraming::raw_ip,    flowtable::LinkFraming::cooked,
    flowtable::LinkFraming::cooked_v2, flowtable::LinkFraming::family,
    flowtable::LinkFraming::nflog};
inline constexpr std::array kVerify{flowtable::Verify::none, flowtable::Verify::ip_header,
                                    flowtable::Verify::ip_and_transport};

struct FrameInput {
  flowtable::LinkFraming link = flowtable::LinkFraming::ethernet;
  flowtable::Verify verify = flowtable::Verify::none;
  bool checksum_waived = false;
  std::uint16_t ethertype = 0;
  std::uint32_t beyond = 0;     // bytes on the wire that were not captured
  std::size_t snap_length = 0;  // of `bytes`
  flowtable::Tunnels tunnels = flowtable::Tunnels::all();
  Octets bytes;
};

inline FrameInput read_frame(FuzzedDataProvider& input) {
  FrameInput frame;
  frame.link = pick(input, kLinks);
  frame.verify = pick(input, kVerify);
  // One bit, and one for each kind of tunnel that is not looked into.
  const auto flags = input.ConsumeIntegral<std::uint8_t>();
  frame.checksum_waived = (flags & 1U) != 0;
  for (std::size_t kind = 0; kind < flowtable::kTunnelKinds; ++kind) {
    frame.tunnels.wanted[kind] = (flags >> (kind + 1) & 1U) == 0;
  }
  frame.ethertype = input.ConsumeIntegral<std::uint16_t>();
  frame.beyond = input.ConsumeIntegral<std::uint16_t>();
  frame.snap_length = input.ConsumeIntegral<std::uint16_t>();
  frame.bytes = remaining_octets(input);
  frame.snap_length = std::min(frame.snap_length, frame.bytes.size());
  return frame;
}

inline Octets written(const FrameInput& frame) {
  Octets choices;
  const auto link = std::find(kLinks.begin(), kLinks.end(), frame.link);
  test::put8(choices, static_cast<std::size_t>(link - kLinks.begin()));
  test::put8(choices, static_cast<std::size_t>(frame.verify));
  unsigned flags = frame.checksum_waived ? 1 : 0;
  for (std::size_t kind = 0; kind < flowtable::kTunnelKinds; ++kind) {
    flags |= frame.tunnels.wanted[kind] ? 0U : 2U << kind;
  }
  test::put8(choices, flags);
  test::put16(choices, frame.ethertype);
  test::put16(choices, frame.beyond);
  test::put16(choices, frame.snap_length);
  return with_choices(frame.bytes, std::move(choices));
}

}  // namespace tcpeek::fuzz
