// RX, TX, both or neither.
#include "engine/filters/locality.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tcpeek::engine {
namespace {

constexpr std::uint8_t kNeither = 0;
constexpr std::uint8_t kRx = 1;
constexpr std::uint8_t kTx = 2;
constexpr std::uint8_t kBoth = 3;
constexpr std::uint32_t kEth = 2;
constexpr std::uint32_t kLo = 1;

Address address(const char* text) {
  return parse_address(text).value();
}
Prefix network(const char* text) {
  return parse_prefix(text).value().prefix;
}

TEST(LocalityTest, WithoutAnythingLocalNothingHasADirection) {
  const Locality locality;
  EXPECT_EQ(locality.sides(address("192.0.2.1"), address("192.0.2.2"), kEth).directions, kNeither);
  EXPECT_EQ(locality.sides(address("::1"), address("::1"), kLo).directions, kNeither);
}

TEST(LocalityTest, ByAddress) {
  const Locality locality({address("192.0.2.9"), address("192.0.2.1"), address("2001:db8::1")}, {},
                          {});
  const Address remote = address("203.0.113.5");
  for (const char* local : {"192.0.2.1", "192.0.2.9", "2001:db8::1"}) {
    EXPECT_EQ(locality.sides(remote, address(local), kEth).directions, kRx) << local;
    EXPECT_EQ(locality.sides(address(local), remote, kEth).directions, kTx) << local;
    EXPECT_EQ(locality.sides(address(local), address("192.0.2.1"), kEth).directions, kBoth)
        << local;
  }
  for (const char* near : {"192.0.2.0", "192.0.2.2", "192.0.2.8", "2001:db8::", "2001:db8::2"}) {
    EXPECT_EQ(locality.sides(address(near), remote, kEth).directions, kNeither) << near;
  }
}

TEST(LocalityTest, ByNetwork) {
  const Locality locality({}, {network("10.0.0.0/8"), network("2001:db8::/32")}, {});
  const Address remote = address("203.0.113.5");
  EXPECT_EQ(locality.sides(remote, address("10.255.255.255"), kEth).directions, kRx);
  EXPECT_EQ(locality.sides(remote, address("11.0.0.0"), kEth).directions, kNeither);
  EXPECT_EQ(locality.sides(address("2001:db8:ffff::1"), remote, kEth).directions, kTx);
  EXPECT_EQ(locality.sides(address("2001:db9::1"), remote, kEth).directions, kNeither);
  EXPECT_EQ(locality.sides(address("10.0.0.1"), address("10.0.0.2"), kEth).directions, kBoth);
}

TEST(LocalityTest, TheFamiliesDoNotMeet) {
  const Locality six({}, {network("::/0")}, {});
  EXPECT_EQ(six.sides(address("192.0.2.1"), address("192.0.2.2"), kEth).directions, kNeither);
  const Locality four({}, {network("0.0.0.0/0")}, {});
  EXPECT_EQ(four.sides(address("2001:db8::1"), address("::1"), kEth).directions, kNeither);
  EXPECT_EQ(four.sides(address("192.0.2.1"), address("255.255.255.255"), kEth).directions, kBoth);
}

TEST(LocalityTest, OnLoopbackBothEndsAreLocal) {
  const Locality locality({}, {}, {kLo, 7});
  const Address a = address("127.0.0.1");
  EXPECT_EQ(locality.sides(a, a, kLo).directions, kBoth);
  EXPECT_EQ(locality.sides(a, address("203.0.113.5"), 7).directions, kBoth);
  EXPECT_EQ(locality.sides(a, a, kEth).directions, kNeither);
}

TEST(LocalityTest, ComparesByWhatItSays) {
  const Locality a({address("192.0.2.1"), address("192.0.2.2")}, {network("10.0.0.0/8")}, {kLo});
  const Locality b({address("192.0.2.2"), address("192.0.2.1"), address("192.0.2.1")},
                   {network("10.0.0.0/8")}, {kLo});
  EXPECT_EQ(a, b) << "order and repetition mean nothing";
  EXPECT_NE(a, Locality({address("192.0.2.1")}, {network("10.0.0.0/8")}, {kLo}));
  EXPECT_NE(a, Locality({address("192.0.2.1"), address("192.0.2.2")}, {}, {kLo}));
}

TEST(LocalityTest, ManyAddresses) {
  std::vector<Address> many;
  for (int i = 255; i >= 0; --i) many.push_back(address(("192.0.2." + std::to_string(i)).c_str()));
  const Locality locality(many, {}, {});
  for (const Address& one : many) {
    EXPECT_EQ(locality.sides(address("203.0.113.5"), one, kEth).directions, kRx);
  }
  EXPECT_EQ(locality.sides(address("203.0.113.5"), address("192.0.3.0"), kEth).directions,
            kNeither);
}

}  // namespace
}  // namespace tcpeek::engine
