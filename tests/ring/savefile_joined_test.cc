// Files that were joined, as by cat: all packets of all parts come out, whatever the parts are.

#include "ring/pcap_format.h"
#include "tests/ring/savefile_support.h"
#include "tests/ring/ways_in.h"

namespace tcpeek::ring::savefile_test {
namespace {

using test::Order;
using test::PcapngWriter;
using test::PcapWriter;
using Unit = PcapWriter::Unit;

constexpr Order kOrders[] = {Order::little, Order::big};
constexpr Unit kUnits[] = {Unit::microseconds, Unit::nanoseconds};
constexpr std::int64_t kSecond = 1'000'000'000;

// A part, its packets and its link type.
struct Part {
  Octets bytes;
  std::vector<Packet> packets;
  std::uint16_t link_type = 1;
};

Part pcap(Order order, Unit unit, std::uint16_t link_type, std::size_t packets) {
  PcapWriter writer(order, unit, link_type);
  Part part{{}, {}, link_type};
  for (std::uint32_t i = 0; i < packets; ++i) {
    writer.packet(i, 7, pattern(i * 13));
    const std::int64_t tick = unit == Unit::nanoseconds ? 1 : 1000;
    part.packets.push_back({pattern(i * 13), i * kSecond + 7 * tick, i * 13, 0});
  }
  part.bytes = writer.bytes();
  return part;
}

Part pcapng(Order order, std::uint16_t link_type, std::size_t packets) {
  PcapngWriter writer(order);
  writer.interface(link_type, 0, {test::if_name("eth0")});
  Part part{{}, {}, link_type};
  for (std::uint32_t i = 0; i < packets; ++i) {
    writer.enhanced(0, i, pattern(i * 13));
    part.packets.push_back({pattern(i * 13), i * 1000, i * 13, 0});
  }
  part.bytes = writer.bytes();
  return part;
}

std::vector<Part> all_kinds(std::size_t packets) {
  std::vector<Part> parts;
  for (const Order order : kOrders) {
    for (const Unit unit : kUnits) {
      parts.push_back(pcap(order, unit, 1, packets));
      parts.push_back(pcap(order, unit, 101, packets));
    }
    parts.push_back(pcapng(order, 1, packets));
  }
  return parts;
}

void expect_joined(const FileRead& read, const std::vector<Part>& parts) {
  EXPECT_EQ(read.refused, "");
  EXPECT_FALSE(read.damage) << read.damage->what;
  std::size_t at = 0;
  for (const Part& part : parts) {
    for (Packet expected : part.packets) {
      ASSERT_LT(at, read.packets.size());
      const std::uint32_t interface = read.packets[at].interface;
      ASSERT_LT(interface, read.interfaces.size());
      EXPECT_EQ(read.interfaces[interface].link_type, part.link_type);
      expected.interface = interface;
      EXPECT_EQ(read.packets[at], expected) << at;
      ++at;
    }
  }
  EXPECT_EQ(read.packets.size(), at);
}

TEST(SavefileJoined, EveryKindBehindEveryOther) {
  for (const std::size_t packets : {0U, 1U, 3U}) {
    for (const Part& one : all_kinds(packets)) {
      for (const Part& two : all_kinds(3)) {
        const Octets bytes = joined(one.bytes, two.bytes);
        for (const std::size_t more : {0U, 1U, 1000U}) {
          expect_joined(read_exact(bytes, more), {one, two});
          expect_joined(read_exact(bytes, more, 1), {one, two});
        }
      }
    }
  }
}

TEST(SavefileJoined, ManyPartsThroughEveryWayIn) {
  std::vector<Part> parts;
  Octets bytes, members;
  for (int round = 0; round < 20; ++round) {
    for (const Part& part : all_kinds(static_cast<std::size_t>(round % 4))) {
      parts.push_back(part);
      test::append(bytes, part.bytes);
      test::append(members, gzip(part.bytes));
    }
  }
  expect_joined(read_file(bytes), parts);
  expect_joined(read_pipe(bytes), parts);
  expect_joined(read_file(zstd(bytes)), parts);
  expect_joined(read_file(members), parts);
}

TEST(SavefileJoined, PartsAreCountedWhenTheirFirstPacketsCome) {
  const Part one = pcap(Order::little, Unit::microseconds, 1, 5);
  const Part two = pcap(Order::big, Unit::nanoseconds, 1, 5);
  SavefileReader reader(std::make_unique<ExactInput>(joined(one.bytes, two.bytes), 1 << 20));
  std::vector<SavedPacket> packets;
  EXPECT_EQ(reader.parts(), 1U);
  ASSERT_TRUE(reader.read(packets, 64));
  EXPECT_EQ(packets.size(), 5U) << "those of one part";
  EXPECT_EQ(reader.parts(), 1U);
  EXPECT_EQ(reader.part_offset(), 0U);
  ASSERT_TRUE(reader.read(packets, 64));
  EXPECT_EQ(packets.size(), 5U);
  EXPECT_EQ(reader.parts(), 2U);
  EXPECT_EQ(reader.part_offset(), one.bytes.size());
  EXPECT_EQ(reader.interfaces().size(), 1U) << "alike: the same interface";
  EXPECT_FALSE(reader.read(packets, 64));
}

TEST(SavefileJoined, SectionsOfAPcapngAreOnePart) {
  const Octets bytes = joined(pcapng(Order::little, 1, 1).bytes, pcapng(Order::big, 1, 1).bytes);
  SavefileReader reader(std::make_unique<ExactInput>(bytes));
  std::vector<SavedPacket> packets;
  while (reader.read(packets, 64)) {
  }
  EXPECT_FALSE(reader.damage());
  EXPECT_EQ(reader.parts(), 1U);
}

TEST(SavefileJoined, APcapCutWithinTheSecondHeader) {
  for (const Part& one : all_kinds(2)) {
    const Part two = pcap(Order::little, Unit::microseconds, 1, 0);
    for (std::size_t size = 1; size < two.bytes.size(); ++size) {
      SCOPED_TRACE(size);
      for (const std::size_t more : {0U, 1000U}) {
        const FileRead read = read_exact(joined(one.bytes, first_of(two.bytes, size)), more);
        EXPECT_EQ(read.packets.size(), 2U);
        ASSERT_TRUE(read.damage);
        EXPECT_EQ(read.damage->offset, one.bytes.size());
      }
    }
  }
}

// The second of 2011 whose number is the other byte order's magic for nanoseconds, and one to come.
TEST(SavefileJoined, APacketOfAnUnluckySecondIsAPacket) {
  for (const std::uint32_t second : {0x4d3cb2a1U, 0xa1b2c3d4U, 0xa1b23c4dU, 0xd4c3b2a1U}) {
    for (const std::uint32_t fraction : {0x04000200U, 0x00040002U, 0x00020004U, 0x02000400U, 5U}) {
      for (const Order order : kOrders) {
        const auto file = PcapWriter(order, Unit::nanoseconds)
                              .packet(second, fraction, pattern(60))
                              .packet(second, fraction, pattern(0), 60)
                              .packet(second, fraction, pattern(1), 1);
        const FileRead read = read_exact(file.bytes(), 1000);
        EXPECT_EQ(read.packets.size(), 3U) << std::hex << second << " " << fraction;
        EXPECT_FALSE(read.damage);
      }
    }
  }
}

TEST(SavefileJoined, HeadersWithoutEndTakeNoMemory) {
  Octets bytes;
  for (std::size_t i = 0; i < SavefileFormat::kMaxInterfaces + 10; ++i) {
    test::append(bytes, PcapWriter(Order::little, Unit::microseconds, i % 2 + 1).bytes());
  }
  const FileRead read = read_exact(bytes, 1 << 24);
  EXPECT_EQ(read.interfaces.size(), SavefileFormat::kMaxInterfaces);
  ASSERT_TRUE(read.damage);
  EXPECT_EQ(read.damage->offset, SavefileFormat::kMaxInterfaces * PcapFormat::kFileHeader);
}

}  // namespace
}  // namespace tcpeek::ring::savefile_test
