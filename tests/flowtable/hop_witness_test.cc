// Who a RST seems to be from: hop limits of SYN/ACKs, remembered by responder.

#include "flowtable/hop_witness.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/support/segments.h"

namespace tcpeek::flowtable {
namespace {

IpAddress address(std::uint32_t n) {
  Endpoint end = test::v4(static_cast<std::uint8_t>(n), 80);
  end.address[13] = static_cast<std::uint8_t>(n >> 8);
  end.address[14] = static_cast<std::uint8_t>(n >> 16);
  return end.address;
}

TEST(HopWitnessTest, WithoutASynAckNothingIsKnown) {
  const HopWitness witness;
  EXPECT_EQ(witness.sender_of(address(1), 64), RstSender::unknown);
  EXPECT_EQ(witness.sender_of(IpAddress{}, 0), RstSender::unknown);
}

TEST(HopWitnessTest, AsTheSynAcksOrUnlikeThem) {
  HopWitness witness;
  witness.saw_synack(address(1), 57);
  EXPECT_EQ(witness.sender_of(address(1), 57), RstSender::responder);
  EXPECT_EQ(witness.sender_of(address(1), 58), RstSender::suspect);
  EXPECT_EQ(witness.sender_of(address(2), 57), RstSender::unknown);
}

TEST(HopWitnessTest, FourBackendsBehindOneAddress) {
  HopWitness witness;
  for (std::uint8_t hop = 50; hop < 54; ++hop) witness.saw_synack(address(1), hop);
  for (std::uint8_t hop = 50; hop < 54; ++hop)
    EXPECT_EQ(witness.sender_of(address(1), hop), RstSender::responder) << int{hop};
  EXPECT_EQ(witness.sender_of(address(1), 54), RstSender::suspect);
}

TEST(HopWitnessTest, OfFiveTheOneNotSeenForLongestIsForgotten) {
  HopWitness witness;
  for (std::uint8_t hop = 50; hop < 54; ++hop) witness.saw_synack(address(1), hop);
  witness.saw_synack(address(1), 50);
  witness.saw_synack(address(1), 60);
  EXPECT_EQ(witness.sender_of(address(1), 51), RstSender::suspect);
  for (const int hop : {50, 52, 53, 60}) {
    const auto h = static_cast<std::uint8_t>(hop);
    EXPECT_EQ(witness.sender_of(address(1), h), RstSender::responder) << hop;
  }
}

TEST(HopWitnessTest, HowFarAHopLimitOfZeroIsKnown) {
  HopWitness witness;
  witness.saw_synack(address(1), 0);
  EXPECT_EQ(witness.sender_of(address(1), 0), RstSender::responder);
  EXPECT_EQ(witness.sender_of(address(1), 1), RstSender::suspect);
}

// Displaced addresses are unknown, never suspect on another's word.
TEST(HopWitnessTest, AddressesThatShareAPlaceDoNotSpeakForEachOther) {
  HopWitness witness;
  for (std::uint32_t n = 0; n < 20'000; ++n) {
    witness.saw_synack(address(n), static_cast<std::uint8_t>(n % 251));
  }
  std::size_t known = 0;
  for (std::uint32_t n = 0; n < 20'000; ++n) {
    const RstSender sender = witness.sender_of(address(n), static_cast<std::uint8_t>(n % 251));
    EXPECT_NE(sender, RstSender::suspect) << n;
    known += sender == RstSender::responder;
  }
  EXPECT_GT(known, 1000U);
}

}  // namespace
}  // namespace tcpeek::flowtable
