// Why a packet moved no attempt: every packet read from a ring is either used or counted here once.
//
// Thread contract: constants.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tcpeek::flowtable {

enum class Ignored : std::uint8_t {
  // Before decoding, for capture files: what the kernel would not have let through.
  filtered,   // does not match --bpf; ICMP without --icmp
  link_type,  // from an interface with an unknown link type
  // Decoding.
  not_ip,
  not_tcp,
  truncated,          // the capture ends inside a header
  bad_ip_header,      // version, header length or total length lie
  bad_tcp_header,     // the data offset lies
  mapped_address,     // an IPv4-mapped address in an IPv6 header
  jumbogram,          // an IPv6 payload length of zero, and nothing behind the header
  extension_headers,  // more than eight, or a lying one
  later_fragment,
  cut_first_fragment,  // a first fragment without the whole TCP header
  other_icmp,          // ICMP that is no error about TCP, or one that ends no attempt
  ip_checksum,
  transport_checksum,
  tunnel,  // TCP in a tunnel that is not looked into: not asked for, or too deep
  // Tracking.
  no_attempt,  // belongs to no known attempt: established connections, mostly
  after_outcome,
  does_not_fit,    // wrong sequence or acknowledgment number
  proves_nothing,  // fits, but shows nothing new
  blind_rst,
  unanswered_ack,     // acknowledges a SYN/ACK that would have been captured
  foreign_icmp,       // an ICMP error that does not quote a known SYN
  icmp_about_synack,  // an ICMP error that quotes the SYN/ACK: trouble on the way back
  other_interface,    // a repetition seen on another interface
};

inline constexpr std::array<std::string_view, 25> kIgnoredNames{"filtered",
                                                                "link_type",
                                                                "not_ip",
                                                                "not_tcp",
                                                                "truncated",
                                                                "bad_ip_header",
                                                                "bad_tcp_header",
                                                                "mapped_address",
                                                                "jumbogram",
                                                                "extension_headers",
                                                                "later_fragment",
                                                                "cut_first_fragment",
                                                                "other_icmp",
                                                                "ip_checksum",
                                                                "transport_checksum",
                                                                "tunnel",
                                                                "no_attempt",
                                                                "after_outcome",
                                                                "does_not_fit",
                                                                "proves_nothing",
                                                                "blind_rst",
                                                                "unanswered_ack",
                                                                "foreign_icmp",
                                                                "icmp_about_synack",
                                                                "other_interface"};

inline constexpr std::size_t kIgnoredReasons = kIgnoredNames.size();
static_assert(static_cast<std::size_t>(Ignored::other_interface) + 1 == kIgnoredReasons);

// A count for each reason; written by one thread.
struct IgnoredCounts {
  std::array<std::uint64_t, kIgnoredReasons> counts{};

  void add(Ignored reason) noexcept { ++counts[static_cast<std::size_t>(reason)]; }
  [[nodiscard]] std::uint64_t operator[](Ignored reason) const noexcept {
    return counts[static_cast<std::size_t>(reason)];
  }
};

}  // namespace tcpeek::flowtable
