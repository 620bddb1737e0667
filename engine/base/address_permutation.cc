#include "engine/base/address_permutation.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <bit>
#include <cstring>

namespace tcpeek::engine {
namespace {

constexpr std::uint8_t kRounds = 10;

std::uint64_t little_endian(std::span<const std::uint8_t> bytes) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) number = number << 8 | bytes[i];
  return number;
}

struct SipState {
  std::array<std::uint64_t, 4> v;

  void round() noexcept {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = std::rotl(v[1], 13) ^ v[0];
    v[3] = std::rotl(v[3], 16) ^ v[2];
    v[0] = std::rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = std::rotl(v[1], 17) ^ v[2];
    v[3] = std::rotl(v[3], 21) ^ v[0];
    v[2] = std::rotl(v[2], 32);
  }
  void absorb(std::uint64_t word) noexcept {
    v[3] ^= word;
    round();
    round();
    v[0] ^= word;
  }
};

}  // namespace

std::uint64_t siphash(std::uint64_t first, std::uint64_t second,
                      std::span<const std::uint8_t> bytes) noexcept {
  SipState state{{first ^ 0x736f6d6570736575U, second ^ 0x646f72616e646f6dU,
                  first ^ 0x6c7967656e657261U, second ^ 0x7465646279746573U}};
  const std::size_t size = bytes.size();
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) state.absorb(little_endian(bytes.first(8)));
  state.absorb(std::uint64_t{size} << 56 | little_endian(bytes));
  state.v[2] ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v[0] ^ state.v[1] ^ state.v[2] ^ state.v[3];
}

AddressPermutation::AddressPermutation(const RedactionKey& key) noexcept
    : first_(little_endian(std::span(key).first(8))),
      second_(little_endian(std::span(key).subspan(8))) {}

// Each round adds a keyed hash of one half, of the family and of the round's number to the other half.
template <std::size_t N>
void AddressPermutation::permute(std::array<std::uint8_t, N>& bytes) const noexcept {
  constexpr std::size_t kHalf = N / 2;
  for (std::uint8_t round = 0; round < kRounds; ++round) {
    const std::size_t from = round % 2 == 0 ? 0 : kHalf;
    std::array<std::uint8_t, kHalf + 2> input{};
    std::memcpy(input.data(), bytes.data() + from, kHalf);
    input[kHalf] = round;
    input[kHalf + 1] = static_cast<std::uint8_t>(N);
    std::uint64_t hash = siphash(first_, second_, input);
    for (std::size_t i = 0; i < kHalf; ++i, hash >>= 8) {
      bytes[kHalf - from + i] ^= static_cast<std::uint8_t>(hash);
    }
  }
}

std::optional<std::string> AddressPermutation::address(std::string_view text) const {
  const std::string plain(text.substr(0, text.find('%')));
  std::array<char, INET6_ADDRSTRLEN> printed{};
  std::array<std::uint8_t, 4> v4{};
  if (::inet_pton(AF_INET, plain.c_str(), v4.data()) == 1) {
    permute(v4);
    return ::inet_ntop(AF_INET, v4.data(), printed.data(), printed.size());
  }
  std::array<std::uint8_t, 16> v6{};
  if (::inet_pton(AF_INET6, plain.c_str(), v6.data()) != 1) return std::nullopt;
  permute(v6);
  return ::inet_ntop(AF_INET6, v6.data(), printed.data(), printed.size());
}

}  // namespace tcpeek::engine
