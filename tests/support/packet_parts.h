// What a packet is made of, and its bytes: the plain half of PacketBuilder.
//
// An optional left empty is worked out from the rest, as a correct sender would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "tests/support/octets.h"

namespace tcpeek::test {

struct PacketParts {
  enum class Kind : std::uint8_t { tcp, icmp, raw };

  bool ethernet = false;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> tags;
  std::optional<std::uint16_t> ethertype;
  std::size_t padding = 0;
  Address source;
  Address destination;
  std::optional<std::uint8_t> version;
  std::size_t ip_options = 0;
  Octets ip_option;  // the first of them; the others do nothing
  std::optional<std::size_t> ip_header_words;
  std::optional<std::size_t> ip_length;
  std::optional<std::uint8_t> protocol;
  std::uint16_t fragment = 0;
  std::uint16_t ip_error = 0;
  std::vector<std::pair<std::uint8_t, Octets>> extensions;
  std::optional<Address> summed_source;
  std::optional<Address> summed_destination;
  Kind kind = Kind::tcp;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint8_t flags = 0;
  std::size_t tcp_options = 0;
  std::optional<std::uint8_t> data_offset;
  std::size_t data = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  Octets quote;
  std::uint16_t transport_error = 0;
  std::optional<std::size_t> keep;

  // What a device without link header says the packet is: the first tag's type, or IP.
  [[nodiscard]] std::uint16_t first_ethertype() const {
    return tags.empty() ? last_ethertype() : tags.front().first;
  }
  [[nodiscard]] bool v6() const { return source.v6; }

  [[nodiscard]] std::size_t transport_offset() const {
    std::size_t offset = v6() ? 40 : 20 + ip_options;
    for (const auto& [type, header] : extensions) offset += header.size();
    return offset;
  }

  // The packet from its IP header on.
  [[nodiscard]] Octets network() const {
    Octets whole = transport();
    if (keep && *keep < whole.size()) whole.resize(*keep);
    Octets packet = v6() ? ipv6_header(whole.size()) : ipv4_header(whole.size());
    append(packet, whole);
    return packet;
  }

  [[nodiscard]] Octets frame() const {
    Octets frame;
    if (ethernet) {
      for (const unsigned byte : {2U, 0U, 0U, 0U, 0U, 1U, 2U, 0U, 0U, 0U, 0U, 2U})
        put8(frame, byte);
      put16(frame, first_ethertype());
    }
    for (std::size_t i = 0; i < tags.size(); ++i) {
      put16(frame, tags[i].second);
      put16(frame, i + 1 < tags.size() ? tags[i + 1].first : last_ethertype());
    }
    append(frame, network());
    frame.resize(frame.size() + padding, std::byte{0xee});
    return frame;
  }

 private:
  [[nodiscard]] std::uint16_t last_ethertype() const {
    return ethertype.value_or(v6() ? 0x86dd : 0x0800);
  }
  [[nodiscard]] std::uint8_t transport_protocol() const {
    if (kind == Kind::tcp) return protocol.value_or(6);
    return protocol.value_or(v6() ? 58 : 1);
  }

  [[nodiscard]] Octets transport() const {
    Octets bytes;
    if (kind == Kind::tcp) {
      put16(bytes, source_port);
      put16(bytes, destination_port);
      put32(bytes, seq);
      put32(bytes, ack);
      put8(bytes, data_offset.value_or(static_cast<std::uint8_t>(5 + tcp_options / 4)) * 16U);
      put8(bytes, flags);
      put16(bytes, 0xfaf0);
      put32(bytes, 0);  // checksum, urgent pointer
      bytes.resize(bytes.size() + tcp_options, std::byte{1});
    } else if (kind == Kind::icmp) {
      put8(bytes, icmp_type);
      put8(bytes, icmp_code);
      put16(bytes, 0);  // checksum
      put32(bytes, 0);
    }
    if (kind != Kind::tcp) append(bytes, quote);
    for (std::size_t i = 0; i < data; ++i) put8(bytes, (i * 7 + 3) & 0xff);
    if (kind != Kind::raw) {
      const std::uint16_t checksum = transport_checksum(bytes);
      set16(bytes, kind == Kind::tcp ? 16 : 2, checksum ^ transport_error);
    }
    return bytes;
  }

  [[nodiscard]] std::uint16_t transport_checksum(const Octets& bytes) const {
    Octets summed;
    if (kind == Kind::tcp || v6()) {
      summed_source.value_or(source).put(summed);
      summed_destination.value_or(destination).put(summed);
      put32(summed, bytes.size());
      put32(summed, transport_protocol());
    }
    append(summed, bytes);
    return internet_checksum(summed);
  }

  [[nodiscard]] Octets ipv4_header(std::size_t payload) const {
    Octets header;
    const std::size_t length = 20 + ip_options;
    put8(header, version.value_or(4) * 16U + ip_header_words.value_or(length / 4));
    put8(header, 0);
    put16(header, ip_length.value_or(transport_offset() + payload));
    put16(header, 0x1234);
    put16(header, fragment);
    put8(header, 64);
    put8(header, first_protocol());
    put16(header, 0);
    source.put(header);
    destination.put(header);
    append(header, ip_option);
    header.resize(length, std::byte{1});
    set16(header, 10, internet_checksum(header) ^ ip_error);
    append_extensions(header);
    return header;
  }

  [[nodiscard]] Octets ipv6_header(std::size_t payload) const {
    Octets header;
    put32(header, version.value_or(6) * 0x10000000UL + 0x12345);
    put16(header, ip_length.value_or(transport_offset() - 40 + payload));
    put8(header, first_protocol());
    put8(header, 64);
    source.put(header);
    destination.put(header);
    append_extensions(header);
    return header;
  }

  [[nodiscard]] std::uint8_t first_protocol() const {
    return extensions.empty() ? transport_protocol() : extensions.front().first;
  }

  void append_extensions(Octets& to) const {
    for (std::size_t i = 0; i < extensions.size(); ++i) {
      const bool last = i + 1 == extensions.size();
      Octets extension = extensions[i].second;
      extension.front() = std::byte{last ? transport_protocol() : extensions[i + 1].first};
      append(to, extension);
    }
  }
};

}  // namespace tcpeek::test
