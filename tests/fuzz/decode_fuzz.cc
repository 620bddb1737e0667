// One frame of any link type through the decoder: nothing is read beyond what was captured, what comes
// out is well formed, and different ways to the same answer agree. Any set of tunnels is looked into.

#include "tests/flowtable/decode_checks.h"
#include "tests/fuzz/frame_input.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::fuzz::FrameInput;

Frame frame_with(const FrameInput& input) {
  Frame frame;
  frame.wire_length = static_cast<std::uint32_t>(input.bytes.size()) + input.beyond;
  frame.ethertype = input.ethertype;
  frame.checksum_waived = input.checksum_waived;
  frame.interface = kInterface;
  frame.time = kTime;
  return frame;
}

Decoded decoded(const FrameInput& input, const DecodeRules& rules, std::size_t captured = kAll) {
  return decode_copy(input.link, rules, frame_with(input), input.bytes, captured);
}

Decoded decoded(const FrameInput& input, Verify verify, std::size_t captured = kAll) {
  return decoded(input, {verify, input.tunnels}, captured);
}

void expect_same(const Decoded& a, const Decoded& b) {
  EXPECT_EQ(a.what, b.what);
  EXPECT_EQ(seen(a.segment), seen(b.segment));
}

// Turned round, it is the same connection, and the other end has sent.
void expect_symmetric_key(const Segment& s) {
  const Endpoint source = s.key.end(s.sender);
  const Endpoint destination = s.key.end(other(s.sender));
  const DirectedKey there = make_key(source, destination);
  const DirectedKey back = make_key(destination, source);
  EXPECT_TRUE(there.key == s.key && back.key == s.key);
  EXPECT_EQ(there.sender, s.sender);
  if (source != destination) EXPECT_EQ(back.sender, other(s.sender));
}

// A checksum can only make a packet be refused.
void expect_checksums_to_refuse_only(const FrameInput& input, const Decoded& unverified) {
  for (const Verify verify : {Verify::ip_header, Verify::ip_and_transport}) {
    const Decoded d = decoded(input, verify);
    const bool by_sum = d.what == "ip_checksum" || d.what == "transport_checksum";
    if (!by_sum) expect_same(d, unverified);
  }
}

// Looking into more tunnels only adds segments and reasons to what was passed over.
void expect_tunnels_to_add(const FrameInput& input) {
  const Decoded some = decoded(input, Verify::none);
  const Decoded every = decoded(input, {Verify::none, Tunnels::all()});
  const Decoded none = decoded(input, DecodeRules{});
  if (some.what != "tunnel" && some.what != "not_tcp") expect_same(every, some);
  if (none.what != "tunnel" && none.what != "not_tcp") expect_same(some, none);
  // One level: TCP was there, and whether it makes a segment is for its own header to say.
  if (none.what == "tunnel") EXPECT_NE(every.what, "not_tcp");
}

// The IP packet of a plain frame, for which there is a short cut.
void expect_short_cut_to_agree(const FrameInput& input) {
  Octets network = input.bytes;
  std::uint16_t ethertype = input.ethertype;
  const bool ethernet = input.link == LinkFraming::ethernet;
  if (ethernet) {
    if (network.size() < 14) return;
    ethertype = u16_at(network, 12);
    network.erase(network.begin(), network.begin() + 14);
  } else if (input.link != LinkFraming::network) {
    return;
  }
  if (ethertype != 0x0800 && ethertype != 0x86dd) return;
  expect_agreement(network, ethertype, ethernet,
                   static_cast<std::uint32_t>(network.size()) + input.beyond);
}

void run(const FrameInput& input) {
  const Decoded whole = decoded(input, Verify::none);
  const Decoded cut = decoded(input, Verify::none, input.snap_length);
  for (const Decoded& d : {whole, cut}) {
    expect_well_formed(d, input.bytes);
    if (d.what != "segment") continue;
    expect_symmetric_key(d.segment);
    if (input.link != LinkFraming::cooked_v2) EXPECT_EQ(d.segment.interface, kInterface);
    EXPECT_EQ(d.segment.time, kTime);
  }
  // What can be read of the first bytes is what the whole says.
  if (cut.what == "segment") expect_same(cut, whole);
  expect_well_formed(decoded(input, input.verify, input.snap_length), input.bytes);
  expect_checksums_to_refuse_only(input, whole);
  expect_tunnels_to_add(input);
  expect_short_cut_to_agree(input);
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  tcpeek::flowtable::decode_test::run(tcpeek::fuzz::read_frame(input));
  return 0;
}
