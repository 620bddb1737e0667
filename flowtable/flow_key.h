// The 4-tuple of a connection, the same for both directions.
//
// Endpoints are kept in order (by address, then port), so that a segment and its answer have one
// key; `Sender` says which end sent a segment. IPv4 addresses are held as IPv4-mapped
// IPv6 addresses (RFC 4291 section 2.5.5.2): one table and one hash serve both families. The
// decoder refuses mapped addresses on the wire, so the families never meet.
//
// Thread contract: plain values.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace tcpeek::flowtable {

using IpAddress = std::array<std::uint8_t, 16>;

inline constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0,    0,
                                                            0, 0, 0, 0, 0xff, 0xff};

[[nodiscard]] inline bool is_v4(const IpAddress& address) noexcept {
  return std::memcmp(address.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0;
}

struct Endpoint {
  IpAddress address{};
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

enum class Sender : std::uint8_t { low, high };

[[nodiscard]] constexpr Sender other(Sender s) noexcept {
  return s == Sender::low ? Sender::high : Sender::low;
}

struct FlowKey {
  IpAddress low_address{};
  IpAddress high_address{};
  std::uint16_t low_port = 0;
  std::uint16_t high_port = 0;

  // Word by word: compilers leave a memcmp() of 36 bytes to the library, and this runs for every
  // packet.
  bool operator==(const FlowKey& o) const noexcept {
    const auto differ = [&](auto word, std::size_t at) {
      auto other = word;
      std::memcpy(&word, reinterpret_cast<const char*>(this) + at, sizeof word);
      std::memcpy(&other, reinterpret_cast<const char*>(&o) + at, sizeof other);
      return word ^ other;
    };
    constexpr std::uint64_t kWord = 0;
    constexpr std::uint32_t kPorts = 0;
    return (differ(kWord, 0) | differ(kWord, 8) | differ(kWord, 16) | differ(kWord, 24) |
            differ(kPorts, 32)) == 0;
  }

  [[nodiscard]] Endpoint end(Sender s) const noexcept {
    return s == Sender::low ? Endpoint{low_address, low_port} : Endpoint{high_address, high_port};
  }
};

static_assert(sizeof(FlowKey) == 36 && std::has_unique_object_representations_v<FlowKey>,
              "a key is compared and hashed as 36 plain bytes");

struct DirectedKey {
  FlowKey key;
  Sender sender = Sender::low;
};

// An address as two words of its bytes: what follows works on words, as it is done for every packet
// and compilers leave byte arrays in memory.
struct AddressWords {
  std::uint64_t high = 0;  // bytes 0..7, as they lie in memory
  std::uint64_t low = 0;

  [[nodiscard]] static AddressWords of(const std::uint8_t* bytes) noexcept {
    AddressWords words;
    std::memcpy(&words, bytes, sizeof words);
    return words;
  }
  // `four`: the address's bytes as they lie in memory.
  [[nodiscard]] static AddressWords mapped(std::uint32_t four) noexcept {
    std::array<std::uint32_t, 2> low{0, four};
    std::memcpy(low.data(), kMappedPrefix.data() + 8, 4);
    return {0, std::bit_cast<std::uint64_t>(low)};
  }
};

static_assert(sizeof(AddressWords) == sizeof(IpAddress));

// One of 2^bits places for an address; not keyed, so only for what may be displaced.
[[nodiscard]] inline std::size_t place_of(const IpAddress& address, unsigned bits) noexcept {
  const AddressWords words = AddressWords::of(address.data());
  return ((words.high ^ words.low) * 0x9e37'79b9'7f4a'7c15U) >> (64U - bits);
}

// Word by word: compilers leave a comparison of the arrays to the library.
[[nodiscard]] inline bool is_same(const IpAddress& a, const IpAddress& b) noexcept {
  const AddressWords x = AddressWords::of(a.data());
  const AddressWords y = AddressWords::of(b.data());
  return ((x.high ^ y.high) | (x.low ^ y.low)) == 0;
}

[[nodiscard]] constexpr std::uint64_t from_big_endian(std::uint64_t word) noexcept {
  return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
}

// Whether a <= b, by address, then port.
[[nodiscard]] inline bool is_ordered(const AddressWords& a, std::uint16_t a_port,
                                     const AddressWords& b, std::uint16_t b_port) noexcept {
  if (a.high != b.high) return from_big_endian(a.high) < from_big_endian(b.high);
  if (a.low != b.low) return from_big_endian(a.low) < from_big_endian(b.low);
  return a_port <= b_port;
}

// Writes the key of a segment in place; returns which end sent it.
inline Sender set_key(FlowKey& key, const AddressWords& source, std::uint16_t source_port,
                      const AddressWords& destination, std::uint16_t destination_port) noexcept {
  const bool source_is_low = is_ordered(source, source_port, destination, destination_port);
  const AddressWords low = source_is_low ? source : destination;
  const AddressWords high = source_is_low ? destination : source;
  std::memcpy(key.low_address.data(), &low, sizeof low);
  std::memcpy(key.high_address.data(), &high, sizeof high);
  key.low_port = source_is_low ? source_port : destination_port;
  key.high_port = source_is_low ? destination_port : source_port;
  return source_is_low ? Sender::low : Sender::high;
}

[[nodiscard]] inline DirectedKey make_key(const Endpoint& source,
                                          const Endpoint& destination) noexcept {
  DirectedKey directed;
  directed.sender = set_key(directed.key, AddressWords::of(source.address.data()), source.port,
                            AddressWords::of(destination.address.data()), destination.port);
  return directed;
}

}  // namespace tcpeek::flowtable
