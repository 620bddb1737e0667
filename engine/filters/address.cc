// Addresses and prefixes from and to text (engine/filters/address.h); inet_pton(3) and inet_ntop(3) know
// the notations.
#include "engine/filters/address.h"

#include <arpa/inet.h>
#include <fmt/compile.h>

#include <algorithm>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedHead{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::uint8_t kMappedBits = 96;

struct PrefixText {
  std::string_view address;
  std::optional<std::string_view> length;
  bool bracketed = false;
};

std::optional<PrefixText> split_prefix(std::string_view text) {
  PrefixText parts;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view after = text.substr(close + 1);
    parts.bracketed = true;
    text = text.substr(1, close - 1);
    if (!after.empty()) {
      if (!after.starts_with('/')) return std::nullopt;
      parts.length = after.substr(1);
    }
  }
  const auto slash = text.find('/');
  parts.address = text.substr(0, slash);
  if (slash == std::string_view::npos) return parts;
  if (parts.length) return std::nullopt;  // one inside and one after the brackets
  parts.length = text.substr(slash + 1);
  return parts;
}

// What is left of byte `index` within the first `length` bits.
constexpr std::uint8_t byte_mask(std::size_t index, unsigned length) noexcept {
  const auto first_bit = static_cast<unsigned>(index) * 8;
  if (length >= first_bit + 8) return 0xff;
  if (length <= first_bit) return 0;
  return static_cast<std::uint8_t>(0xff << (first_bit + 8 - length));
}

Address masked(Address address, unsigned length) noexcept {
  for (std::size_t i = 0; i < address.bytes.size(); ++i) address.bytes[i] &= byte_mask(i, length);
  return address;
}

bool is_v4_prefix(const Prefix& prefix) noexcept {
  return prefix.length >= kMappedBits && prefix.address.is_v4();
}

}  // namespace

bool Prefix::contains(const Address& a) const noexcept {
  if (a.is_v4() != is_v4_prefix(*this)) return false;
  return masked(a, length) == address;
}

std::optional<Address> parse_address(std::string_view text) {
  // inet_pton() reads to the first NUL, so one inside would hide what follows it.
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string terminated(text);
  Address address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data() + kMappedHead.size()) == 1) {
    std::copy(kMappedHead.begin(), kMappedHead.end(), address.bytes.begin());
    return address;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) != 1) return std::nullopt;
  if (address.is_v4()) return std::nullopt;
  return address;
}

std::optional<ParsedPrefix> parse_prefix(std::string_view text) {
  const auto parts = split_prefix(text);
  if (!parts) return std::nullopt;
  const auto address = parse_address(parts->address);
  if (!address) return std::nullopt;
  if (parts->bracketed && address->is_v4()) return std::nullopt;

  const unsigned family_bits = address->is_v4() ? 32 : 128;
  const auto bits = parts->length ? parse_number(*parts->length, 0, family_bits) : family_bits;
  if (!bits) return std::nullopt;

  const unsigned length = static_cast<unsigned>(*bits) + (128 - family_bits);
  ParsedPrefix out;
  out.prefix.address = masked(*address, length);
  out.prefix.length = static_cast<std::uint8_t>(length);
  out.host_bits_cleared = out.prefix.address != *address;
  return out;
}

PrefixMistake explain_prefix(std::string_view text, std::string_view allowed) {
  if (text.empty()) return {0, "an address is missing: " + std::string(allowed)};
  const bool bracketed = text.starts_with('[');
  const std::size_t head = bracketed ? 1 : 0;
  const std::size_t close = bracketed ? text.find(']') : 0;
  if (close == std::string_view::npos) {
    return {0, "']' is missing: an IPv6 address is written [ADDRESS]"};
  }
  const std::string_view address =
      text.substr(head, text.find_first_of(bracketed ? "/]" : "/") - head);
  const auto parsed = parse_address(address);
  if (!parsed || (bracketed && parsed->is_v4())) {
    return {head, in_quotes(address) + " is not an address: " + std::string(allowed)};
  }
  const std::string_view after = bracketed ? text.substr(close + 1) : std::string_view();
  if (!after.empty() && after.front() != '/') {
    return {close + 1, "unexpected " + in_quotes(after) + " after ']'"};
  }
  const std::size_t slash = text.find('/');
  if (!after.empty() && slash < close) {
    return {close + 1, "the prefix length stands inside the brackets already"};
  }
  const std::string_view length = text.substr(slash + 1, text.find(']', slash) - slash - 1);
  return {slash + 1, in_quotes(length) + " is not a prefix length from 0 to " +
                         (parsed->is_v4() ? "32" : "128")};
}

std::string to_string(const Address& address) {
  if (address.is_v4()) {
    // A tenth of what inet_ntop() takes, which goes by sprintf(): each outcome that is told has two.
    const std::uint8_t* const b = address.bytes.data() + kMappedHead.size();
    return fmt::format(FMT_COMPILE("{}.{}.{}.{}"), b[0], b[1], b[2], b[3]);
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(AF_INET6, address.bytes.data(), text.data(), static_cast<socklen_t>(text.size()));
  return text.data();
}

Prefix network_prefix_of(const Address& first) {
  constexpr std::uint8_t kNetwork24 = 96 + 24;  // of the 128 bits of a mapped address
  constexpr std::uint8_t kNetwork48 = 48;
  return {first, first.is_v4() ? kNetwork24 : kNetwork48};
}

std::string to_string(const Prefix& prefix) {
  const unsigned skipped = is_v4_prefix(prefix) ? kMappedBits : 0;
  return to_string(prefix.address) + '/' + std::to_string(prefix.length - skipped);
}

}  // namespace tcpeek::engine
