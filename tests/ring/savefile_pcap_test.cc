// pcap files: both byte orders, both units, and each length that lies.

#include "ring/pcap_format.h"
#include "tests/ring/savefile_support.h"
#include "tests/ring/ways_in.h"

namespace tcpeek::ring::savefile_test {
namespace {

using test::Order;
using test::PcapWriter;
using Unit = PcapWriter::Unit;

constexpr Order kOrders[] = {Order::little, Order::big};
constexpr std::int64_t kSecond = 1'000'000'000;

PcapWriter three_packets(Order order = Order::little) {
  return PcapWriter(order, Unit::microseconds)
      .packet(1, 2, pattern(5))
      .packet(3, 4, pattern(0), 9)
      .packet(5, 6, pattern(60), 1514);
}

std::vector<Packet> those_three() {
  return {{pattern(5), kSecond + 2000, 5, 0},
          {{}, 3 * kSecond + 4000, 9, 0},
          {pattern(60), 5 * kSecond + 6000, 1514, 0}};
}

TEST(SavefilePcap, EitherByteOrderAndEitherUnit) {
  for (const Order order : kOrders) {
    for (const Unit unit : {Unit::microseconds, Unit::nanoseconds}) {
      const FileRead read = read_exact(PcapWriter(order, unit, 0x00000114)
                                           .packet(1'700'000'000, 123'456, pattern(60), 1514)
                                           .packet(0, 0, pattern(1))
                                           .bytes());
      const std::int64_t fraction = unit == Unit::nanoseconds ? 123'456 : 123'456'000;
      expect_read(read, {{pattern(60), 1'700'000'000 * kSecond + fraction, 1514, 0},
                         {pattern(1), 0, 1, 0}});
      ASSERT_EQ(read.interfaces.size(), 1U);
      EXPECT_EQ(read.interfaces[0].link_type, 276);
      EXPECT_EQ(read.interfaces[0].number, 0U);
      EXPECT_EQ(read.interfaces[0].name, "");
    }
  }
}

TEST(SavefilePcap, TimesToTheEndOfTheFields) {
  for (const Unit unit : {Unit::microseconds, Unit::nanoseconds}) {
    const std::uint32_t last = unit == Unit::nanoseconds ? 999'999'999 : 999'999;
    const std::int64_t tick = unit == Unit::nanoseconds ? 1 : 1000;
    const FileRead read =
        read_exact(PcapWriter(Order::big, unit).packet(0xffffffff, last, pattern(1)).bytes());
    expect_read(read, {{pattern(1), 4'294'967'295 * kSecond + last * tick, 1, 0}});
    EXPECT_EQ(read.damaged_times, 0U);
  }
}

// Such a record is damaged, and the rest of it and the file are not.
TEST(SavefilePcap, AFractionOfASecondOrMoreIsNoTime) {
  for (const Order order : kOrders) {
    for (const Unit unit : {Unit::microseconds, Unit::nanoseconds}) {
      const std::uint32_t second = unit == Unit::nanoseconds ? 1'000'000'000 : 1'000'000;
      const std::int64_t tick = unit == Unit::nanoseconds ? 1 : 1000;
      for (const std::uint32_t fraction : {second, second + 1, 0x80000000U, 0xffffffffU}) {
        const FileRead read = read_exact(PcapWriter(order, unit)
                                             .packet(7, fraction, pattern(1))
                                             .packet(7, 5, pattern(2))
                                             .packet(7, fraction, pattern(3))
                                             .packet(9, fraction, pattern(4))
                                             .packet(8, second - 1, pattern(5))
                                             .packet(8, fraction, pattern(6))
                                             .bytes());
        expect_read(read, {{pattern(1), 7 * kSecond, 1, 0},
                           {pattern(2), 7 * kSecond + 5 * tick, 2, 0},
                           {pattern(3), 7 * kSecond + 5 * tick, 3, 0},
                           {pattern(4), 9 * kSecond, 4, 0},
                           {pattern(5), 9 * kSecond - tick, 5, 0},
                           {pattern(6), 9 * kSecond - tick, 6, 0}});
        EXPECT_EQ(read.damaged_times, 4U);
      }
    }
  }
}

TEST(SavefilePcap, DamagedTimesAreCountedAcrossJoinedFiles) {
  const auto one = PcapWriter(Order::little, Unit::microseconds)
                       .packet(1, 1'000'000, pattern(1))
                       .packet(1, 3, pattern(2))
                       .bytes();
  Octets joined = one;
  test::append(joined, one);
  EXPECT_EQ(read_exact(one).damaged_times, 1U);
  EXPECT_EQ(read_exact(joined).damaged_times, 2U);
}

TEST(SavefilePcap, FileWithoutPackets) {
  const FileRead read = read_exact(PcapWriter(Order::little, Unit::microseconds).bytes());
  expect_read(read, {});
  EXPECT_EQ(read.interfaces.size(), 1U);
}

// Above the link type stands the length of a frame check sequence.
TEST(SavefilePcap, LinkTypeIsSixteenBits) {
  const FileRead read =
      read_exact(PcapWriter(Order::little, Unit::microseconds, 0xf4000001).bytes());
  ASSERT_EQ(read.interfaces.size(), 1U);
  EXPECT_EQ(read.interfaces[0].link_type, 1);
}

TEST(SavefilePcap, CutAtEveryByte) {
  for (const Order order : kOrders) {
    const PcapWriter file = three_packets(order);
    for (std::size_t size = 0; size <= file.bytes().size(); ++size) {
      SCOPED_TRACE(size);
      for (const std::size_t more : {0U, 1U, 1000U}) {
        const FileRead read = read_exact(first_of(file.bytes(), size), more);
        if (size < PcapFormat::kFileHeader) {
          EXPECT_NE(read.refused, "");
          continue;
        }
        const auto starts = file.starts();
        const auto next = std::upper_bound(starts.begin(), starts.end(), size);
        std::vector<Packet> whole = those_three();
        whole.resize(static_cast<std::size_t>(next - starts.begin() - 1));
        const bool at_boundary = *(next - 1) == size;
        expect_read(read, whole,
                    at_boundary ? std::nullopt : std::optional<std::uint64_t>(*(next - 1)));
      }
    }
  }
}

TEST(SavefilePcap, PacketAsLongAsAllowedAndOneByteMore) {
  const auto file = [](std::size_t size) {
    return PcapWriter(Order::little, Unit::microseconds)
        .packet(0, 0, pattern(1))
        .packet(0, 0, pattern(size))
        .packet(0, 0, pattern(2))
        .bytes();
  };
  const std::size_t most = SavefileReader::kMaxPacketBytes;
  expect_read(read_exact(file(most)),
              {{pattern(1), 0, 1, 0}, {pattern(most), 0, 262'144, 0}, {pattern(2), 0, 2, 0}});
  expect_read(read_exact(file(most + 1)), {{pattern(1), 0, 1, 0}}, 24 + 17);
}

TEST(SavefilePcap, LyingLengthEndsTheReadingWhereItStands) {
  for (const std::uint32_t lie :
       {61U, 262'144U, 262'145U, 0x7fffffffU, 0x80000000U, 0xfffffff0U, 0xffffffffU}) {
    const auto file = PcapWriter(Order::little, Unit::microseconds)
                          .packet(0, 0, pattern(4))
                          .packet(0, 0, pattern(60), 60, lie);
    expect_read(read_exact(file.bytes()), {{pattern(4), 0, 4, 0}}, file.starts().at(1));
    expect_read(read_file(file.bytes()), {{pattern(4), 0, 4, 0}}, file.starts().at(1));
  }
}

// Too short a length makes a header of what is none; nothing outside is read.
TEST(SavefilePcap, LengthTooShortReadsWhatFollowsAsARecord) {
  const auto file = PcapWriter(Order::little, Unit::microseconds)
                        .packet(7, 0, Octets(40, std::byte{0xff}), 60, 10);
  expect_read(read_exact(file.bytes()), {{Octets(10, std::byte{0xff}), 7 * kSecond, 60, 0}},
              24 + 26);
}

TEST(SavefilePcap, WireLengthIsPassedOnAsItIs) {
  const FileRead read = read_exact(PcapWriter(Order::little, Unit::microseconds)
                                       .packet(0, 0, pattern(10), 3)
                                       .packet(0, 0, pattern(10), 0xffffffff)
                                       .bytes());
  expect_read(read, {{pattern(10), 0, 3, 0}, {pattern(10), 0, 0xffffffff, 0}});
}

TEST(SavefilePcap, OtherVariantsAreRefused) {
  for (const Order order : kOrders) {
    for (const unsigned version : {0U, 1U, 3U, 512U, 0xffffU}) {
      const PcapWriter file(order, Unit::microseconds, 1, static_cast<std::uint16_t>(version));
      const FileRead read = read_exact(file.bytes());
      EXPECT_NE(read.refused.find(std::to_string(version)), std::string::npos) << read.refused;
    }
    Octets modified = test::Fields(order).u32(0xa1b2cd34).bytes();
    modified.resize(100);
    EXPECT_NE(read_exact(modified).refused.find("modified"), std::string::npos);
  }
}

TEST(SavefilePcap, NoMoreThanAskedForAtOnce) {
  PcapWriter file(Order::little, Unit::microseconds);
  std::vector<Packet> expected;
  for (std::uint32_t i = 0; i < 100; ++i) {
    file.packet(i, 0, pattern(i));
    expected.push_back({pattern(i), i * kSecond, i, 0});
  }
  for (const std::size_t most : {1U, 2U, 3U, 99U, 100U, 101U, 100'000U}) {
    for (const std::size_t more : {0U, 1U, 10'000U}) {
      expect_read(read_exact(file.bytes(), more, most), expected);
    }
  }
  // A window that holds all gives all.
  SavefileReader reader(std::make_unique<ExactInput>(file.bytes(), 1 << 20));
  std::vector<SavedPacket> packets;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(reader.read(packets, 50));
    EXPECT_EQ(packets.size(), 50U);
  }
  EXPECT_FALSE(reader.read(packets, 50));
  EXPECT_FALSE(reader.damage());
}

TEST(SavefilePcap, WhatStandsBeforeTheDamageComesOutInAnyPortion) {
  Octets bytes = three_packets().bytes();
  const std::size_t end = bytes.size();
  bytes.resize(end + 16, std::byte{0xff});
  for (const std::size_t most : {1U, 2U, 3U, 4U}) {
    expect_read(read_exact(bytes, 0, most), those_three(), end);
    expect_read(read_exact(bytes, 1 << 20, most), those_three(), end);
  }
}

}  // namespace
}  // namespace tcpeek::ring::savefile_test
