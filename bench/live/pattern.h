// What packet number n of a load looks like. The number alone determines every field that varies, so
// that a load needs no memory, can be cut anywhere, and its outcome is known in advance: n
// handshake packets are exactly n / 3 complete handshakes, each with its own 4-tuple (2^39 of them
// before one repeats; 2^32 sources in a flood).
//
// The mixed load is the flood with a genuine handshake in every `period` packets: packet 0 of each
// period is a SYN, packet 1 its SYN/ACK, and packet 2 the completing ACK of the handshake begun
// kGenuineLag periods before, so that handshakes last as long as on the Internet while the flood
// goes on. They come from a separate network, and from ports that the flood does not use.
//
// In spaced handshakes the answer comes kSpacedLag attempts after the SYN, and the ACK as many after that, as real
// ones come after their round-trip times: a batch holds segments of attempts that have nothing in common.
// SYN/ACKs and ACKs of the first ones belong to no attempt.
//
// Everything that varies is in the low 32 bits of both addresses, both ports, the sequence
// numbers and the flags: so IPv6 packets differ from IPv4 ones only in the position of these
// fields. Checksums are left zero, for monitors that do not verify them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tcpeek::bench {

enum class Load {
  handshakes,  // SYN, SYN/ACK, ACK, and the next attempt
  spaced,      // handshakes of which 2 * kSpacedLag are under way at any time
  syn_flood,   // a SYN from a new source each time, never answered
  data,        // full segments of connections long established
  acks,        // segments of such connections that carry nothing
  mixed,       // syn_flood with genuine handshakes in it
};

inline constexpr std::uint64_t kPacketsPerHandshake = 3;
inline constexpr std::size_t kSmallFrameBytes = 60;  // Ethernet's least, without the FCS
inline constexpr std::size_t kDataFrameBytes = 1454;
inline constexpr std::uint32_t kSegmentBytes = 1400;  // by which data and acks move on

inline constexpr std::uint32_t kResponderAddress = 0xC0000201;  // 192.0.2.1, or 2001:db8::c000:201
inline constexpr std::uint16_t kResponderPort = 443;

// Where attempts come from: the low bits of an attempt's number select the address in the network, those
// above them the port in the range.
struct Initiators {
  std::uint32_t net;
  unsigned bits;       // of the address that are the attempt's
  std::uint16_t port;  // a power of two, and all the bits below

  [[nodiscard]] constexpr std::uint32_t mask() const noexcept { return (1U << bits) - 1; }
};
// 10.0.0.0/8, or 2001:db8::a00:0/104
inline constexpr Initiators kInitiators{.net = 0x0A000000, .bits = 24, .port = 0x8000};
// 198.18.0.0/15, or 2001:db8::c612:0/111
inline constexpr Initiators kGenuine{.net = 0xC6120000, .bits = 17, .port = 0x4000};

inline constexpr std::uint64_t kSpacedLag = 5'000;      // attempts
inline constexpr std::uint64_t kGenuineLag = 50;        // 50 ms at 1,000 handshakes a second
inline constexpr std::uint32_t kDefaultPeriod = 4'000;  // packets of the mixed load
inline constexpr std::uint32_t kMinPeriod = 8;
inline constexpr std::uint32_t kFlowMask = 1023;  // established connections, less one
inline constexpr unsigned kFlowBits = 10;
// Odd, so that multiplying by them modulo 2^32 maps no two numbers to one.
inline constexpr std::uint32_t kIsnFactor = 0x6B43A9B5;
inline constexpr std::uint32_t kScatterFactor = 0x52C3AE1D;
inline constexpr unsigned kScatterShift = 15;

inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kPush = 0x08;
inline constexpr std::uint8_t kAck = 0x10;

struct Fields {
  std::uint32_t source = 0;
  std::uint32_t destination = kResponderAddress;
  std::uint16_t source_port = kInitiators.port;
  std::uint16_t destination_port = kResponderPort;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  std::uint8_t flags = 0;

  friend bool operator==(const Fields&, const Fields&) = default;
};

// Where the varying fields lie, in bytes from the frame's first.
struct Layout {
  std::size_t source;
  std::size_t destination;
  std::size_t tcp;

  [[nodiscard]] std::size_t headers_end() const noexcept { return tcp + 20; }
};
inline constexpr Layout kIpv4Layout{26, 30, 34};
inline constexpr Layout kIpv6Layout{34, 50, 54};

// Offsets from the start of the TCP header.
inline constexpr std::size_t kTcpDestinationPort = 2;
inline constexpr std::size_t kTcpSequence = 4;
inline constexpr std::size_t kTcpAcknowledgement = 8;
inline constexpr std::size_t kTcpFlags = 13;

// `period` is the mixed load's.
[[nodiscard]] Fields fields_of(Load load, std::uint64_t n,
                               std::uint32_t period = kDefaultPeriod) noexcept;

// What the first `packets` packets of a load hold.
struct Contents {
  std::uint64_t attempts = 0;
  std::uint64_t completed = 0;  // of them
  std::uint64_t genuine = 0;    // begun by a genuine initiator of the mixed load
};
[[nodiscard]] Contents contents_of(Load load, std::uint64_t packets,
                                   std::uint32_t period = kDefaultPeriod) noexcept;

// A whole frame with all constant fields; the rest is zero.
[[nodiscard]] std::vector<std::byte> frame_template(Load load, bool ipv6);

// `frame` holds at least `layout.headers_end()` bytes.
void write_fields(const Fields& fields, const Layout& layout, std::span<std::byte> frame) noexcept;

}  // namespace tcpeek::bench
