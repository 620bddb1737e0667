// pcapng files that lie or end early: what comes before is good, and the damage is reported with its
// place. And what is not a capture file at all.

#include <functional>

#include "ring/pcapng_format.h"
#include "tests/ring/savefile_support.h"

namespace tcpeek::ring::savefile_test {
namespace {

using test::NgOption;
using test::Order;
using test::PcapngWriter;

constexpr Order kOrders[] = {Order::little, Order::big};

const std::vector<Packet> kGood{{pattern(5), 1000, 5, 0}};

PcapngWriter good(Order order = Order::little) {
  return PcapngWriter(order).interface(1, 100).enhanced(0, 1, pattern(5));
}

// What is written after a good packet, before another one, must be damage in its place.
void expect_damage(const std::string& what, const std::function<void(PcapngWriter&)>& lie) {
  SCOPED_TRACE(what);
  for (const Order order : kOrders) {
    PcapngWriter file = good(order);
    lie(file);
    file.enhanced(0, 2, pattern(1));
    for (const std::size_t more : {0U, 1U, 1U << 20}) {
      expect_read(read_exact(file.bytes(), more), kGood, file.starts().at(3));
    }
    expect_read(read_exact(file.bytes(), 0, 1), kGood, file.starts().at(3));
  }
}

TEST(SavefileDamage, BlockLengthsThatMakeNoSense) {
  for (const std::uint32_t length : {0U, 1U, 4U, 8U, 11U, 13U, 14U, 15U, 31U, 0x7fffffffU,
                                     0x80000000U, 0xfffffff0U, 0xffffffffU}) {
    expect_damage("an unknown block of " + std::to_string(length),
                  [&](PcapngWriter& w) { w.block(99, pattern(20), length); });
    expect_damage("a section of " + std::to_string(length), [&](PcapngWriter& w) {
      w.block(0x0a0d0d0a, w.fields().u32(0x1a2b3c4d).u16(1).u16(0).u64(~0ULL).bytes(), length);
    });
  }
}

TEST(SavefileDamage, BlocksOfMoreThan64MiB) {
  const auto longest = static_cast<std::uint32_t>(PcapngFormat::kMaxBlockBytes);
  expect_damage("one step more", [&](PcapngWriter& w) { w.block(99, pattern(20), longest + 4); });
  // The longest is believed, and missed.
  expect_damage("the longest", [&](PcapngWriter& w) { w.block(99, pattern(20), longest); });
}

TEST(SavefileDamage, TwoLengthsThatDiffer) {
  for (const std::uint32_t last : {0U, 28U, 31U, 36U, 0x20000000U, 0xffffffffU}) {
    expect_damage("32 and " + std::to_string(last),
                  [&](PcapngWriter& w) { w.block(99, pattern(20), 32, last); });
    expect_damage("a packet", [&](PcapngWriter& w) { w.block(6, Octets(20), 32, last); });
  }
  expect_damage("too short", [](PcapngWriter& w) { w.block(99, pattern(20), 28, 32); });
  expect_damage("too long", [](PcapngWriter& w) { w.block(99, pattern(20), 36, 32); });
}

TEST(SavefileDamage, PacketLongerThanItsBlock) {
  for (const std::uint32_t captured : {61U, 64U, 92U, 262'144U, 0x7fffffffU, 0xffffffffU}) {
    expect_damage("enhanced",
                  [&](PcapngWriter& w) { w.enhanced(0, 2, pattern(60), 60, captured); });
    expect_damage("obsolete",
                  [&](PcapngWriter& w) { w.obsolete(0, 2, pattern(60), 60, captured); });
  }
}

// Its length is the one on the wire or the snap length, whichever is less.
TEST(SavefileDamage, SimplePacketLongerThanItsBlock) {
  for (const std::uint32_t on_wire : {61U, 99U, 100U, 1514U, 0xffffffffU}) {
    expect_damage("with a snap length of 100, " + std::to_string(on_wire),
                  [&](PcapngWriter& w) { w.simple(pattern(60), on_wire); });
    const auto file = PcapngWriter().interface(1, 0).simple(pattern(60), on_wire).simple({});
    expect_read(read_exact(file.bytes()), {}, file.starts().at(2));
  }
}

TEST(SavefileDamage, PacketOfMoreThan262144Bytes) {
  const std::size_t most = SavefileReader::kMaxPacketBytes;
  expect_damage("enhanced", [&](PcapngWriter& w) { w.enhanced(0, 2, Octets(most + 1)); });
  expect_damage("obsolete", [&](PcapngWriter& w) { w.obsolete(0, 2, Octets(most + 1)); });
  const auto file = PcapngWriter()
                        .interface()
                        .simple(pattern(most))
                        .enhanced(0, 0, pattern(most))
                        .obsolete(0, 0, pattern(most))
                        .simple(pattern(most + 1));
  const Packet longest{pattern(most), 0, 262'144, 0};
  expect_read(read_exact(file.bytes()), {longest, longest, longest}, file.starts().at(5));
}

TEST(SavefileDamage, BlocksTooShortForTheirType) {
  for (const std::size_t size : {0U, 4U, 8U, 16U}) {
    expect_damage("enhanced", [&](PcapngWriter& w) { w.block(6, Octets(size)); });
    expect_damage("obsolete", [&](PcapngWriter& w) { w.block(2, Octets(size)); });
    if (size < 4) expect_damage("simple", [&](PcapngWriter& w) { w.block(3, Octets(size)); });
    if (size < 8) expect_damage("interface", [&](PcapngWriter& w) { w.block(1, Octets(size)); });
  }
}

TEST(SavefileDamage, PacketOfAnUnknownInterface) {
  for (const std::uint32_t interface : {1U, 2U, 0xffffU, 0x10000U, 0x80000000U, 0xffffffffU}) {
    expect_damage("enhanced", [&](PcapngWriter& w) { w.enhanced(interface, 2, pattern(5)); });
  }
  expect_damage("obsolete", [](PcapngWriter& w) { w.obsolete(1, 2, pattern(5)); });
  for (const Order order : kOrders) {
    for (const std::uint32_t type : {2U, 3U, 6U}) {
      const auto file = PcapngWriter(order).block(type, Octets(24)).interface();
      expect_read(read_exact(file.bytes()), {}, file.starts().at(1));
    }
  }
}

TEST(SavefileDamage, OptionsLongerThanTheirBlock) {
  for (const std::size_t length : {5U, 8U, 13U, 0xfff9U, 0xfffdU, 0xffffU}) {
    for (const std::size_t code : {1U, 2U, 9U, 14U, 99U}) {
      expect_damage("an option", [&](PcapngWriter& w) {
        w.block(1, w.fields().u16(1).u16(0).u32(0).u16(code).u16(length).add(pattern(4)).bytes());
      });
    }
  }
}

TEST(SavefileDamage, SectionOfUnknownByteOrder) {
  for (const std::uint32_t magic : {0U, 0x1a2b3c4eU, 0x2b1a4d3cU, 0xffffffffU}) {
    expect_damage("a section", [&](PcapngWriter& w) {
      w.block(0x0a0d0d0a, w.fields().u32(magic).u16(1).u16(0).u64(~0ULL).bytes());
    });
  }
}

TEST(SavefileDamage, MoreInterfacesThanAnybodyHas) {
  PcapngWriter file;
  for (std::size_t i = 0; i < SavefileFormat::kMaxInterfaces; ++i) file.interface();
  EXPECT_FALSE(read_exact(file.bytes(), 1 << 24).damage);
  file.interface();
  const FileRead read = read_exact(file.bytes(), 1 << 24);
  expect_read(read, {}, file.starts().at(SavefileFormat::kMaxInterfaces + 1));
  EXPECT_EQ(read.interfaces.size(), SavefileFormat::kMaxInterfaces);
}

TEST(SavefileDamage, CutAtEveryByte) {
  for (const Order order : kOrders) {
    const Order other = order == Order::little ? Order::big : Order::little;
    const auto file = PcapngWriter(order)
                          .interface(1, 0, {test::if_name("eth0"), test::if_tsresol(9)})
                          .enhanced(0, 1, pattern(5))
                          .block(5, pattern(24))
                          .simple(pattern(6))
                          .section(other)
                          .interface(101)
                          .obsolete(0, 1, pattern(7))
                          .enhanced(0, 2, pattern(8));
    const std::vector<Packet> all{{pattern(5), 1, 5, 0},
                                  {pattern(6), 1, 6, 0},
                                  {pattern(7), 1000, 7, 1},
                                  {pattern(8), 2000, 8, 1}};
    // How many packets the first so many blocks hold.
    constexpr std::size_t kPackets[] = {0, 0, 0, 1, 1, 2, 2, 2, 3, 4};
    for (std::size_t size = 0; size <= file.bytes().size(); ++size) {
      SCOPED_TRACE(size);
      for (const std::size_t more : {0U, 1U, 1000U}) {
        const FileRead read = read_exact(first_of(file.bytes(), size), more);
        if (size < 12) {
          EXPECT_NE(read.refused, "") << "ends before it tells what it is";
          continue;
        }
        const auto starts = file.starts();
        const auto next = std::upper_bound(starts.begin(), starts.end(), size);
        const auto blocks = static_cast<std::size_t>(next - starts.begin() - 1);
        const std::vector<Packet> whole(
            all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kPackets[blocks]));
        const bool at_boundary = starts[blocks] == size;
        expect_read(read, whole,
                    at_boundary ? std::nullopt : std::optional<std::uint64_t>(starts[blocks]));
      }
    }
  }
}

TEST(SavefileDamage, TroubleOfTheInputIsToldWithItsPlace) {
  const auto file = good();
  for (std::size_t size = 12; size <= file.bytes().size(); ++size) {
    SCOPED_TRACE(size);
    const FileRead read =
        read_all(std::make_unique<ExactInput>(first_of(file.bytes(), size), 0, "the disk is gone"));
    ASSERT_TRUE(read.damage) << "trouble at a record's boundary is trouble, too";
    EXPECT_EQ(read.damage->what, "the disk is gone");
    const auto starts = file.starts();
    EXPECT_EQ(read.damage->offset, *(std::upper_bound(starts.begin(), starts.end(), size) - 1));
    EXPECT_EQ(read.packets.size(), size == file.bytes().size() ? 1U : 0U);
  }
}

TEST(SavefileDamage, TroubleWithTheFirstBytesIsTold) {
  for (const std::size_t size : {0U, 1U, 11U}) {
    const FileRead read = read_all(
        std::make_unique<ExactInput>(first_of(good().bytes(), size), 0, "the disk is gone"));
    EXPECT_NE(read.refused.find("the disk is gone"), std::string::npos)
        << size << " bytes: " << read.refused;
  }
}

TEST(SavefileDamage, OtherFilesAreRefused) {
  EXPECT_EQ(read_exact({}).refused, "empty, there is no data in it");
  const std::string text = "No. Time Source Destination Protocol Length Info\n";
  Octets bytes;
  for (const char c : text) test::put8(bytes, static_cast<std::uint8_t>(c));
  const auto refused = [](const Octets& b) {
    const FileRead read = read_exact(b);
    EXPECT_TRUE(read.packets.empty());
    EXPECT_FALSE(read.damage);
    return read.refused;
  };
  EXPECT_NE(refused(bytes).find("not a pcap or pcapng file"), std::string::npos);
  for (const std::size_t size : {1U, 3U, 4U, 11U, 12U, 24U, 5000U}) {
    EXPECT_NE(refused(Octets(size)).find("not a pcap or pcapng file"), std::string::npos) << size;
    EXPECT_NE(refused(Octets(size, std::byte{0xff})), "") << size;
  }
  // A pcapng block that begins no section.
  const PcapngWriter file = good();
  EXPECT_NE(refused(Octets(file.bytes().begin() + 28, file.bytes().end())), "");
  Octets no_magic = file.bytes();
  no_magic[8] = std::byte{0};
  EXPECT_NE(refused(no_magic), "");
}

}  // namespace
}  // namespace tcpeek::ring::savefile_test
