// The patterns in plain arithmetic. xdp_program.cc holds the same arithmetic as eBPF instructions,
// and is checked against this one before each load.
#include "bench/live/pattern.h"

#include <algorithm>
#include <array>

namespace tcpeek::bench {
namespace {

constexpr std::size_t kNetworkOffset = 14;
constexpr std::size_t kIpv6HeaderBytes = 40;

template <std::size_t kBytes>
void put_big_endian(std::span<std::byte> frame, std::size_t offset, std::uint64_t value) noexcept {
  for (std::size_t i = 0; i < kBytes; ++i)
    frame[offset + i] = static_cast<std::byte>(value >> (8 * (kBytes - 1 - i)));
}

std::uint16_t initiator_port(const Initiators& from, std::uint64_t number) noexcept {
  return static_cast<std::uint16_t>(from.port | (number & (from.port - 1U)));
}

// Packet `step` of an attempt: SYN, SYN/ACK, ACK.
Fields handshake(const Initiators& from, std::uint64_t attempt, std::uint64_t step) noexcept {
  const std::uint32_t isn = static_cast<std::uint32_t>(attempt) * kIsnFactor;
  const std::uint32_t responder_isn = ~isn;
  Fields syn;
  syn.source = from.net | (static_cast<std::uint32_t>(attempt) & from.mask());
  syn.source_port = initiator_port(from, attempt >> from.bits);
  syn.sequence = isn;
  syn.flags = kSyn;
  if (step == 0) return syn;

  Fields completing = syn;
  completing.sequence = isn + 1;
  completing.acknowledgement = responder_isn + 1;
  completing.flags = kAck;
  if (step == 2) return completing;

  return {syn.destination, syn.source, syn.destination_port, syn.source_port,
          responder_isn,   isn + 1,    kSyn | kAck};
}

Fields flood(std::uint64_t n) noexcept {
  // Multiplying by an odd number and folding high bits into low ones are both reversible: no source
  // comes twice within 2^32 packets.
  std::uint32_t scattered = (static_cast<std::uint32_t>(n) + 1) * kIsnFactor;
  scattered ^= scattered >> kScatterShift;
  scattered *= kScatterFactor;
  scattered ^= scattered >> kScatterShift;
  Fields syn;
  syn.source = scattered;
  syn.source_port = initiator_port(kInitiators, n);
  syn.sequence = static_cast<std::uint32_t>(n) * kScatterFactor;
  syn.flags = kSyn;
  return syn;
}

Fields spaced(std::uint64_t n) noexcept {
  const std::uint64_t step = n % kPacketsPerHandshake;
  return handshake(kInitiators, n / kPacketsPerHandshake - step * kSpacedLag, step);
}

Fields mixed(std::uint64_t n, std::uint32_t period) noexcept {
  const std::uint64_t number = n / period;
  const std::uint64_t step = n % period;
  if (step > 2 || (step == 2 && number < kGenuineLag)) return flood(n);
  return handshake(kGenuine, step == 2 ? number - kGenuineLag : number, step);
}

Fields established(std::uint64_t n) noexcept {
  Fields segment;
  segment.source = kInitiators.net | (static_cast<std::uint32_t>(n) & kFlowMask);
  segment.sequence = 1;
  segment.acknowledgement = 1;
  segment.flags = kAck;
  return segment;
}

std::uint32_t progress(std::uint64_t n) noexcept {
  return static_cast<std::uint32_t>(n >> kFlowBits) * kSegmentBytes;
}

}  // namespace

Fields fields_of(Load load, std::uint64_t n, std::uint32_t period) noexcept {
  if (load == Load::handshakes)
    return handshake(kInitiators, n / kPacketsPerHandshake, n % kPacketsPerHandshake);
  if (load == Load::spaced) return spaced(n);
  if (load == Load::syn_flood) return flood(n);
  if (load == Load::mixed) return mixed(n, period);
  Fields segment = established(n);
  if (load == Load::acks) {
    segment.acknowledgement = progress(n);
    return segment;
  }
  segment.sequence = progress(n);
  segment.flags = kAck | kPush;
  return segment;
}

Contents contents_of(Load load, std::uint64_t packets, std::uint32_t period) noexcept {
  const std::uint64_t handshakes = packets / kPacketsPerHandshake;
  if (load == Load::handshakes) return {.attempts = handshakes, .completed = handshakes};
  if (load == Load::spaced)
    return {.attempts = handshakes, .completed = handshakes - std::min(handshakes, 2 * kSpacedLag)};
  if (load == Load::syn_flood) return {.attempts = packets};
  if (load != Load::mixed) return {};
  const auto seen = [&](std::uint64_t step) { return (packets + period - 1 - step) / period; };
  const std::uint64_t completed = seen(2) - std::min(seen(2), kGenuineLag);
  return {.attempts = packets - seen(1) - completed, .completed = completed, .genuine = seen(0)};
}

std::vector<std::byte> frame_template(Load load, bool ipv6) {
  const Layout layout = ipv6 ? kIpv6Layout : kIpv4Layout;
  const std::size_t bytes =
      load == Load::data ? kDataFrameBytes : std::max(kSmallFrameBytes, layout.headers_end());
  // The padding of a short frame is not part of the IP packet.
  const std::size_t ip_bytes =
      (load == Load::data ? kDataFrameBytes : layout.headers_end()) - kNetworkOffset;
  std::vector<std::byte> frame(bytes);

  // Locally administered addresses that nobody has: the receiving stack sees another host's address and
  // drops the packet right after the taps.
  put_big_endian<6>(frame, 0, 0x020000000002);
  put_big_endian<6>(frame, 6, 0x020000000001);
  put_big_endian<2>(frame, 12, ipv6 ? 0x86DD : 0x0800);
  if (ipv6) {
    put_big_endian<1>(frame, kNetworkOffset, 0x60);
    put_big_endian<2>(frame, kNetworkOffset + 4, ip_bytes - kIpv6HeaderBytes);
    put_big_endian<2>(frame, kNetworkOffset + 6, 0x0640);  // TCP, hop limit 64
    put_big_endian<4>(frame, kNetworkOffset + 8, 0x20010DB8);
    put_big_endian<4>(frame, kNetworkOffset + 24, 0x20010DB8);
  } else {
    put_big_endian<1>(frame, kNetworkOffset, 0x45);
    put_big_endian<2>(frame, kNetworkOffset + 2, ip_bytes);
    put_big_endian<2>(frame, kNetworkOffset + 6, 0x4000);  // do not fragment
    put_big_endian<2>(frame, kNetworkOffset + 8, 0x4006);  // TTL 64, TCP
  }
  put_big_endian<1>(frame, layout.tcp + 12, 0x50);    // a header of 20 bytes
  put_big_endian<2>(frame, layout.tcp + 14, 0xFFFF);  // window
  return frame;
}

void write_fields(const Fields& fields, const Layout& layout, std::span<std::byte> frame) noexcept {
  put_big_endian<4>(frame, layout.source, fields.source);
  put_big_endian<4>(frame, layout.destination, fields.destination);
  put_big_endian<2>(frame, layout.tcp, fields.source_port);
  put_big_endian<2>(frame, layout.tcp + kTcpDestinationPort, fields.destination_port);
  put_big_endian<4>(frame, layout.tcp + kTcpSequence, fields.sequence);
  put_big_endian<4>(frame, layout.tcp + kTcpAcknowledgement, fields.acknowledgement);
  put_big_endian<1>(frame, layout.tcp + kTcpFlags, fields.flags);
}

}  // namespace tcpeek::bench
