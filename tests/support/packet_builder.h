// Frames for tests, spelled out from the outside in: link, IP, TCP or ICMP.
//
//   PacketBuilder("an ECN SYN over QinQ").ethernet().vlan(0x88a8, 100).vlan(0x8100, 7)
//       .ip("192.0.2.1", "198.51.100.2").tcp(40000, 80).seq(1000).flags(0xc2).build()
//
// Lengths, protocol numbers and checksums come out right, unless a call says otherwise: what a
// packet lies about is written where it is made. A builder is a plain value; to vary a packet, copy
// it and go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/octets.h"
#include "tests/support/packet_parts.h"

namespace tcpeek::test {

class PacketBuilder {
 public:
  explicit PacketBuilder(std::string description = "") : description_(std::move(description)) {}

  // Link.
  PacketBuilder& ethernet() { return set(parts_.ethernet, true); }
  PacketBuilder& vlan(std::uint16_t tag_type, std::uint16_t tag) {
    parts_.tags.emplace_back(tag_type, tag);
    return *this;
  }
  PacketBuilder& ethertype(std::uint16_t type) { return set(parts_.ethertype, type); }
  PacketBuilder& padding(std::size_t bytes) { return set(parts_.padding, bytes); }

  // IP; the addresses choose the family.
  PacketBuilder& ip(const Address& source, const Address& destination) {
    parts_.source = source;
    return set(parts_.destination, destination);
  }
  PacketBuilder& ip_version(std::uint8_t version) { return set(parts_.version, version); }
  PacketBuilder& ip_options(std::size_t bytes) { return set(parts_.ip_options, bytes); }
  // An option of IPv4, padded.
  PacketBuilder& ip_option(const Octets& option) {
    parts_.ip_option = option;
    return ip_options((option.size() + 3) / 4 * 4);
  }
  // A loose (131) or strict (137) source route; `pointer` counts bytes from 1.
  PacketBuilder& source_route(std::uint8_t type, std::size_t pointer,
                              const std::vector<Address>& addresses) {
    Octets option;
    for (const std::size_t byte : {std::size_t{type}, 3 + 4 * addresses.size(), pointer}) {
      put8(option, byte);
    }
    for (const Address& address : addresses) address.put(option);
    return ip_option(option);
  }
  PacketBuilder& ip_header_words(std::uint8_t words) { return set(parts_.ip_header_words, words); }
  // The total length of IPv4, the payload length of IPv6.
  PacketBuilder& ip_length(std::size_t bytes) { return set(parts_.ip_length, bytes); }
  PacketBuilder& protocol(std::uint8_t number) { return set(parts_.protocol, number); }
  // IPv4: the fragment field; IPv6: see fragment_header.
  PacketBuilder& fragment(unsigned offset_in_8_bytes, bool more) {
    return set(parts_.fragment,
               static_cast<std::uint16_t>(offset_in_8_bytes | (more ? 0x2000U : 0U)));
  }
  PacketBuilder& dont_fragment() { return set(parts_.fragment, std::uint16_t{0x4000}); }
  PacketBuilder& wrong_ip_checksum() { return set(parts_.ip_error, std::uint16_t{1}); }

  // Extension headers, in the order of the calls; IPv4 has AH. `bytes` is the whole header's length.
  PacketBuilder& extension(std::uint8_t type, std::size_t bytes = 8) {
    constexpr std::uint8_t kAuthentication = 51;
    Octets header(bytes, std::byte{0});
    header.at(1) = static_cast<std::byte>(type == kAuthentication ? bytes / 4 - 2 : bytes / 8 - 1);
    parts_.extensions.emplace_back(type, std::move(header));
    return *this;
  }
  PacketBuilder& routing(std::uint8_t segments_left, std::size_t bytes = 24) {
    extension(43, bytes);
    parts_.extensions.back().second[3] = std::byte{segments_left};
    return *this;
  }
  // A routing header of type 0, 2, or 4: those fields, then the addresses as they lie in it.
  PacketBuilder& route(std::uint8_t type, std::uint8_t segments_left,
                       const std::vector<Address>& addresses) {
    routing(segments_left, 8 + 16 * addresses.size());
    Octets& header = parts_.extensions.back().second;
    header[2] = std::byte{type};
    if (type == 4) header[4] = static_cast<std::byte>(addresses.size() - 1);
    header.resize(8);
    for (const Address& address : addresses) address.put(header);
    return *this;
  }
  // The rest of the last extension header, from its third byte on.
  PacketBuilder& extension_body(const Octets& body) {
    Octets& header = parts_.extensions.back().second;
    for (std::size_t i = 0; i < body.size(); ++i) header.at(2 + i) = body[i];
    return *this;
  }
  // Whom the checksum is computed for, where the addresses in the IP header are not the connection's.
  PacketBuilder& checksummed_for(const Address& source, const Address& destination) {
    parts_.summed_source = source;
    return set(parts_.summed_destination, destination);
  }
  PacketBuilder& fragment_header(unsigned offset_in_8_bytes, bool more) {
    extension(44);
    set16(parts_.extensions.back().second, 2, offset_in_8_bytes << 3 | (more ? 1U : 0U));
    return *this;
  }
  // What the last extension header says of its length.
  PacketBuilder& extension_units(std::uint8_t units) {
    parts_.extensions.back().second.at(1) = std::byte{units};
    return *this;
  }

  // TCP.
  PacketBuilder& tcp(std::uint16_t source_port, std::uint16_t destination_port) {
    parts_.source_port = source_port;
    parts_.destination_port = destination_port;
    return set(parts_.kind, PacketParts::Kind::tcp);
  }
  PacketBuilder& seq(std::uint32_t number) { return set(parts_.seq, number); }
  PacketBuilder& ack(std::uint32_t number) { return set(parts_.ack, number); }
  PacketBuilder& flags(std::uint8_t bits) { return set(parts_.flags, bits); }
  PacketBuilder& tcp_options(std::size_t bytes) { return set(parts_.tcp_options, bytes); }
  PacketBuilder& data_offset(std::uint8_t words) { return set(parts_.data_offset, words); }
  PacketBuilder& data(std::size_t bytes) { return set(parts_.data, bytes); }

  // ICMP or ICMPv6, as the addresses say, with the start of a packet built before.
  PacketBuilder& icmp(std::uint8_t type, std::uint8_t code) {
    parts_.icmp_type = type;
    parts_.icmp_code = code;
    return set(parts_.kind, PacketParts::Kind::icmp);
  }
  PacketBuilder& quoting(const Octets& packet,
                         std::size_t at_most = std::numeric_limits<std::size_t>::max()) {
    parts_.quote = packet;
    if (parts_.quote.size() > at_most) parts_.quote.resize(at_most);
    return *this;
  }

  // Any other payload.
  PacketBuilder& raw(std::uint8_t number, std::size_t bytes) {
    parts_.kind = PacketParts::Kind::raw;
    parts_.data = bytes;
    return protocol(number);
  }

  PacketBuilder& carrying(std::uint8_t number, const Octets& payload) {
    parts_.quote = payload;
    return raw(number, 0);
  }

  PacketBuilder& wrong_transport_checksum() {
    return set(parts_.transport_error, std::uint16_t{1});
  }
  // Only so much of the transport's bytes are in this packet: fragments, and lies.
  PacketBuilder& keep(std::size_t transport_bytes) { return set(parts_.keep, transport_bytes); }

  [[nodiscard]] const std::string& description() const { return description_; }
  [[nodiscard]] const PacketParts& parts() const { return parts_; }
  // The packet from its IP header on.
  [[nodiscard]] Octets network() const { return parts_.network(); }
  [[nodiscard]] Octets build() const { return parts_.frame(); }

 private:
  template <typename Field, typename Value>
  PacketBuilder& set(Field& field, Value value) {
    field = value;
    return *this;
  }

  std::string description_;
  PacketParts parts_;
};

}  // namespace tcpeek::test
