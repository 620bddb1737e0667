// Replaces addresses by others: the same one always by the same one, different ones by different ones, and
// nobody without the key can tell which is which. With a key that is kept it does so over restarts, and in all that
// have the key; output/redactor.h, which numbers addresses in the order in which they come, does not.
//
// How it works: a keyed permutation of all addresses of a family, a Feistel network over the halves of the
// address whose round function is SipHash-2-4 (Aumasson, Bernstein 2012). So an IPv4 address becomes an IPv4 address,
// an IPv6 address an IPv6 address, and no two become one. Nothing of the network an address is in is left.
//
// Thread contract: a value; const calls from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tcpeek::engine {

using RedactionKey = std::array<std::uint8_t, 16>;

class AddressPermutation {
 public:
  explicit AddressPermutation(const RedactionKey& key) noexcept;

  // `text` is an address of either family without brackets, IPv6 possibly with a zone, which is dropped.
  // None if it is not.
  [[nodiscard]] std::optional<std::string> address(std::string_view text) const;

 private:
  template <std::size_t N>
  void permute(std::array<std::uint8_t, N>& bytes) const noexcept;

  std::uint64_t first_;  // halves of the key
  std::uint64_t second_;
};

// SipHash-2-4 of bytes.
[[nodiscard]] std::uint64_t siphash(std::uint64_t first, std::uint64_t second,
                                    std::span<const std::uint8_t> bytes) noexcept;

}  // namespace tcpeek::engine
