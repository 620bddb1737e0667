// The hash against its reference, and that addresses stay apart.
#include "engine/base/address_permutation.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

namespace tcpeek::engine {
namespace {

RedactionKey counting_key() {
  RedactionKey key{};
  std::iota(key.begin(), key.end(), std::uint8_t{0});
  return key;
}

// The example of the paper: key 00 01 .. 0f, input 00 01 .. 0e.
TEST(AddressPermutationTest, SipHashIsThatOfThePaper) {
  std::array<std::uint8_t, 15> input{};
  std::iota(input.begin(), input.end(), std::uint8_t{0});
  EXPECT_EQ(siphash(0x0706050403020100U, 0x0f0e0d0c0b0a0908U, input), 0xa129ca6149be45e5U);
}

TEST(AddressPermutationTest, AnAddressOfItsFamilyAlwaysTheSame) {
  const AddressPermutation redactor(counting_key());
  const auto v4 = redactor.address("192.0.2.1");
  ASSERT_TRUE(v4);
  EXPECT_NE(*v4, "192.0.2.1");
  EXPECT_EQ(v4->find(':'), std::string::npos);
  EXPECT_EQ(AddressPermutation(counting_key()).address("192.0.2.1"), v4);
  EXPECT_NE(AddressPermutation(RedactionKey{}).address("192.0.2.1"), v4);
  const auto v6 = redactor.address("2001:db8::1");
  ASSERT_TRUE(v6);
  EXPECT_NE(v6->find(':'), std::string::npos);
  EXPECT_EQ(redactor.address("2001:db8::1%eth0"), v6);
}

TEST(AddressPermutationTest, NoTwoBecomeOne) {
  const AddressPermutation redactor(counting_key());
  std::set<std::string> replaced;
  for (int i = 0; i < 65536; ++i) {
    const std::string tail = std::to_string(i / 256) + "." + std::to_string(i % 256);
    replaced.insert(*redactor.address("10.0." + tail));
  }
  EXPECT_EQ(replaced.size(), 65536U);
}

TEST(AddressPermutationTest, WhatIsNoAddress) {
  const AddressPermutation redactor(counting_key());
  for (const char* const text : {"", "host", "192.0.2", "192.0.2.1.1", "[::1]", "1", "::1::"}) {
    EXPECT_FALSE(redactor.address(text)) << text;
  }
}

}  // namespace
}  // namespace tcpeek::engine
