// IP addresses and prefixes as values, one form for both families.
//
// An IPv4 address is kept as the IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), so that one
// comparison, one table and one hash serve both families; a prefix length counts from the first of
// the 128 bits (10.0.0.0/8 has length 104). The decoder refuses mapped addresses on the wire, so
// the two families never meet.
//
// Thread contract: plain values.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "flowtable/flow_key.h"

namespace tcpeek::engine {

struct Address {
  std::array<std::uint8_t, 16> bytes{};

  // The halves as numbers, so that (high, low) compares as the address does.
  [[nodiscard]] std::uint64_t high() const noexcept { return number_at(0); }
  [[nodiscard]] std::uint64_t low() const noexcept { return number_at(8); }
  [[nodiscard]] bool is_v4() const noexcept { return high() == 0 && low() >> 32 == 0xffff; }
  bool operator==(const Address& o) const noexcept { return flowtable::is_same(bytes, o.bytes); }
  auto operator<=>(const Address& o) const noexcept { return bytes <=> o.bytes; }

 private:
  [[nodiscard]] std::uint64_t number_at(std::size_t offset) const noexcept {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes.data() + offset, sizeof number);
    return flowtable::from_big_endian(number);
  }
};

struct Prefix {
  Address address;          // host bits are zero
  std::uint8_t length = 0;  // 0..128

  // An IPv6 prefix never contains an IPv4 address, not even ::/0.
  [[nodiscard]] bool contains(const Address& a) const noexcept;
  auto operator<=>(const Prefix&) const = default;
};

// The network that an address is told to be of: its /24, or the /48 of an IPv6 one. Host bits are zero already.
[[nodiscard]] Prefix network_prefix_of(const Address& first);

// 192.0.2.1 or 2001:db8::1 without brackets; nothing else. An IPv4-mapped address (::ffff:192.0.2.1) is
// refused: it must be written as IPv4.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);

struct ParsedPrefix {
  Prefix prefix;
  bool host_bits_cleared = false;
};

// ADDRESS or ADDRESS/LENGTH, IPv6 with or without brackets, the length inside or after them. The
// length is the one of the family: 0..32 or 0..128.
[[nodiscard]] std::optional<ParsedPrefix> parse_prefix(std::string_view text);

// Why parse_prefix() refuses a text, and the byte of the text where the mistake begins.
struct PrefixMistake {
  std::size_t position = 0;
  std::string reason;
};

// `allowed` says what an address may look like there.
[[nodiscard]] PrefixMistake explain_prefix(std::string_view refused, std::string_view allowed);

[[nodiscard]] std::string to_string(const Address& address);
[[nodiscard]] std::string to_string(const Prefix& prefix);

}  // namespace tcpeek::engine
