// A keyed hash of addresses and ports, for tables that are filled by what outsiders choose: without the
// secret nobody can aim at one place of them.
//
// How it works: 64 by 64 bits are multiplied, and the halves of the product folded together (as in wyhash);
// the secret goes into both factors. What
// is made of hashes needs little more, as these are secret already.
//
// Thread contract: immutable; any thread may hash.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <random>

#include "flowtable/flow_key.h"

namespace tcpeek::engine {

class AddressHash {
 public:
  using Secret = std::array<std::uint64_t, 3>;

  explicit AddressHash(const Secret& secret) noexcept : secret_(secret) {}

  // With a secret of its own. Errors: std::exception, if the system has no random numbers.
  [[nodiscard]] static AddressHash random() {
    std::random_device device;
    Secret secret;
    for (std::uint64_t& word : secret) word = std::uint64_t{device()} << 32 | device() | 1;
    return AddressHash(secret);
  }

  [[nodiscard]] std::uint64_t operator()(const flowtable::AddressWords& address) const noexcept {
    return fold(address.high ^ secret_[0], address.low ^ secret_[1]);
  }
  [[nodiscard]] std::uint64_t operator()(const flowtable::IpAddress& address) const noexcept {
    return (*this)(flowtable::AddressWords::of(address.data()));
  }
  // Of two hashes; (a, b) and (b, a) differ.
  [[nodiscard]] static std::uint64_t of_pair(std::uint64_t a, std::uint64_t b) noexcept {
    return a ^ std::rotl(b, 29);
  }
  // Of a hash and a number.
  [[nodiscard]] std::uint64_t of_numbered(std::uint64_t hash, std::uint32_t number) const noexcept {
    return hash ^ number * secret_[2];
  }

 private:
  __extension__ using Product = unsigned __int128;

  [[nodiscard]] static std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    const Product product = static_cast<Product>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  Secret secret_;
};

}  // namespace tcpeek::engine
