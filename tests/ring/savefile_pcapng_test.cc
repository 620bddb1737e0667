// pcapng files: sections, interfaces and their clocks, and each kind of block.

#include <string_view>

#include "ring/pcapng_format.h"
#include "tests/ring/savefile_support.h"
#include "tests/ring/ways_in.h"

namespace tcpeek::ring::savefile_test {
namespace {

using test::if_name;
using test::if_tsoffset;
using test::if_tsresol;
using test::NgOption;
using test::Order;
using test::PcapngWriter;

constexpr Order kOrders[] = {Order::little, Order::big};
constexpr std::int64_t kSecond = 1'000'000'000;

// The time of one packet on an interface of these options.
std::optional<std::int64_t> time_of(std::uint64_t time, const std::vector<NgOption>& options,
                                    Order order = Order::little) {
  const FileRead read =
      read_exact(PcapngWriter(order).interface(1, 0, options).enhanced(0, time, {}).bytes());
  EXPECT_EQ(read.packets.size() + (read.damage ? 1U : 0U), 1U);
  if (read.packets.empty()) return std::nullopt;
  return read.packets[0].time_ns;
}

TEST(SavefilePcapng, EachKindOfPacketBlock) {
  for (const Order order : kOrders) {
    const FileRead read = read_exact(PcapngWriter(order)
                                         .interface()
                                         .enhanced(0, 1'700'000'000'000'001, pattern(5), 1514)
                                         .obsolete(0, 2, pattern(6), 77)
                                         .simple(pattern(7))
                                         .enhanced(0, 3, {})
                                         .bytes());
    expect_read(read, {{pattern(5), 1'700'000'000 * kSecond + 1000, 1514, 0},
                       {pattern(6), 2000, 77, 0},
                       {pattern(7), 2000, 7, 0},
                       {{}, 3000, 0, 0}});
  }
}

TEST(SavefilePcapng, OptionsOfAPacketAreNotItsBytes) {
  const Octets comment =
      test::Fields(Order::little).u16(1).u16(5).add(pattern(5)).pad().u32(0).bytes();
  const FileRead read = read_exact(PcapngWriter()
                                       .interface()
                                       .enhanced(0, 0, pattern(9), 9, {}, comment)
                                       .enhanced(0, 0, pattern(3))
                                       .bytes());
  expect_read(read, {{pattern(9), 0, 9, 0}, {pattern(3), 0, 3, 0}});
}

TEST(SavefilePcapng, SectionsOfDifferentByteOrderBeginAnew) {
  for (const Order first : kOrders) {
    const Order second = first == Order::little ? Order::big : Order::little;
    const FileRead read = read_exact(PcapngWriter(first)
                                         .interface(1, 0, {if_name("eth0")})
                                         .interface(101, 0, {if_name("tun0"), if_tsresol(9)})
                                         .enhanced(1, 5, pattern(1))
                                         .section(second)
                                         .interface(276, 0, {if_name("any"), if_tsresol(0)})
                                         .enhanced(0, 6, pattern(2))
                                         .section(second)
                                         .section(first)
                                         .interface(113)
                                         .interface(1, 0, {if_name("eth0")})
                                         .interface(0)
                                         .enhanced(2, 7, pattern(3))
                                         .enhanced(1, 8, pattern(4))
                                         .bytes());
    expect_read(read, {{pattern(1), 5, 1, 1},
                       {pattern(2), 6 * kSecond, 2, 2},
                       {pattern(3), 7000, 3, 5},
                       {pattern(4), 8000, 4, 4}});
    const std::vector<std::pair<std::string, int>> expected{
        {"eth0", 1}, {"tun0", 101}, {"any", 276}, {"", 113}, {"eth0", 1}, {"", 0}};
    ASSERT_EQ(read.interfaces.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(read.interfaces[i].name, expected[i].first) << i;
      EXPECT_EQ(read.interfaces[i].link_type, expected[i].second) << i;
    }
  }
}

TEST(SavefilePcapng, InterfacesAreNumberedInTheirSection) {
  const FileRead read = read_exact(PcapngWriter()
                                       .interface()
                                       .interface()
                                       .interface()
                                       .section(Order::big)
                                       .interface()
                                       .interface()
                                       .bytes());
  std::vector<std::uint32_t> numbers;
  for (const SavedInterface& interface : read.interfaces) numbers.push_back(interface.number);
  EXPECT_EQ(numbers, (std::vector<std::uint32_t>{0, 1, 2, 0, 1}));
}

TEST(SavefilePcapng, InterfaceOfTheSectionBeforeIsUnknown) {
  const auto file =
      PcapngWriter().interface().interface().section(Order::little).interface().enhanced(1, 0, {});
  expect_read(read_exact(file.bytes()), {}, file.starts().at(5));
}

TEST(SavefilePcapng, InterfacesMayComeBetweenPackets) {
  const FileRead read = read_exact(PcapngWriter()
                                       .interface()
                                       .enhanced(0, 1, pattern(1))
                                       .interface(101, 0, {if_tsresol(9)})
                                       .enhanced(1, 1, pattern(2))
                                       .enhanced(0, 1, pattern(3))
                                       .bytes());
  expect_read(read, {{pattern(1), 1000, 1, 0}, {pattern(2), 1, 2, 1}, {pattern(3), 1000, 3, 0}});
}

TEST(SavefilePcapng, DecimalClocks) {
  std::int64_t tick = kSecond;
  for (std::uint8_t digits = 0; digits <= 9; ++digits, tick /= 10) {
    EXPECT_EQ(time_of(3, {if_tsresol(digits)}), 3 * tick) << int{digits};
    EXPECT_EQ(time_of(1'700'000'000ULL * static_cast<std::uint64_t>(kSecond / tick),
                      {if_tsresol(digits)}),
              1'700'000'000 * kSecond)
        << int{digits};
  }
  EXPECT_EQ(time_of(1'700'000'000'123'456'789, {if_tsresol(9)}), 1'700'000'000'123'456'789);
  EXPECT_EQ(time_of(1'234'567'890'123'456, {if_tsresol(12)}), 1'234'567'890'123);
  EXPECT_EQ(time_of(9'000'000'000'000'000'000, {if_tsresol(19)}), 900'000'000);
  EXPECT_EQ(time_of(0, {if_tsresol(20)}), std::nullopt) << "more than 64 bits";
  EXPECT_EQ(time_of(0, {if_tsresol(127)}), std::nullopt);
}

TEST(SavefilePcapng, BinaryClocks) {
  EXPECT_EQ(time_of(7, {if_tsresol(0x80)}), 7 * kSecond);
  EXPECT_EQ(time_of(3, {if_tsresol(0x81)}), 3 * kSecond / 2);
  EXPECT_EQ(time_of(1'700'000'000ULL << 30 | 1ULL << 29, {if_tsresol(0x80 | 30)}),
            1'700'000'000 * kSecond + kSecond / 2);
  EXPECT_EQ(time_of(1'700'000'000ULL << 32 | 1ULL << 31, {if_tsresol(0x80 | 32)}),
            1'700'000'000 * kSecond + kSecond / 2);
  EXPECT_EQ(time_of(1ULL << 62, {if_tsresol(0x80 | 63)}), kSecond / 2);
  EXPECT_EQ(time_of(0, {if_tsresol(0x80 | 64)}), std::nullopt);
  EXPECT_EQ(time_of(0, {if_tsresol(0xff)}), std::nullopt);
}

TEST(SavefilePcapng, OffsetsOfClocks) {
  for (const Order order : kOrders) {
    EXPECT_EQ(time_of(5, {if_tsoffset(order, 1'700'000'000)}, order),
              1'700'000'000 * kSecond + 5000);
    EXPECT_EQ(time_of(5, {if_tsoffset(order, -1)}, order), -kSecond + 5000);
    EXPECT_EQ(time_of(1, {if_tsresol(0), if_tsoffset(order, 2)}, order), 3 * kSecond);
    EXPECT_EQ(time_of(1, {if_tsoffset(order, 2), if_tsresol(0)}, order), 3 * kSecond);
  }
}

TEST(SavefilePcapng, TimesBefore1970) {
  EXPECT_EQ(time_of(static_cast<std::uint64_t>(-1), {}), -1000);
  EXPECT_EQ(time_of(static_cast<std::uint64_t>(-5'000'000), {}), -5 * kSecond);
  EXPECT_EQ(time_of(static_cast<std::uint64_t>(-1), {if_tsresol(0)}), -kSecond);
  EXPECT_EQ(time_of(static_cast<std::uint64_t>(-1), {if_tsoffset(Order::little, 1)}),
            kSecond - 1000);
}

// Of a clock so fine that today is beyond 2^63.
TEST(SavefilePcapng, TimesThatNeedAll64Bits) {
  constexpr std::int64_t kNow = 1'700'000'000;
  EXPECT_EQ(time_of(17'000'000'001'234'567'890U, {if_tsresol(10)}), kNow * kSecond + 123'456'789);
  EXPECT_EQ(time_of(static_cast<std::uint64_t>(kNow) << 33 | 1ULL << 32, {if_tsresol(0x80 | 33)}),
            kNow * kSecond + kSecond / 2);
  EXPECT_EQ(time_of(1ULL << 63, {if_tsresol(0x80 | 33)}), (1LL << 30) * kSecond);
  EXPECT_EQ(time_of(~0ULL, {if_tsresol(0x80 | 63)}), 2 * kSecond - 1);
}

TEST(SavefilePcapng, TimesBeyondTheirRangeAreDamage) {
  const std::uint64_t last = 4'611'686'018'427'387'903;  // 2116
  EXPECT_EQ(time_of(last, {if_tsresol(9)}), static_cast<std::int64_t>(last));
  EXPECT_EQ(time_of(last + 1, {if_tsresol(9)}), std::nullopt);
  EXPECT_EQ(time_of(~0ULL >> 1, {}), std::nullopt);
  EXPECT_EQ(time_of(1ULL << 63, {}), std::nullopt);
  EXPECT_EQ(time_of(~0ULL >> 1, {if_tsresol(0)}), std::nullopt);
  const NgOption seconds = if_tsresol(0);
  const NgOption first = if_tsoffset(Order::little, INT64_MIN);
  const NgOption end = if_tsoffset(Order::little, INT64_MAX);
  EXPECT_EQ(time_of(0, {first}), std::nullopt);
  EXPECT_EQ(time_of(0, {end}), std::nullopt);
  EXPECT_EQ(time_of(~0ULL >> 1, {seconds, end}), std::nullopt);
  // Both far out, together near.
  EXPECT_EQ(time_of(1ULL << 63, {seconds, first}), 0);
  EXPECT_EQ(time_of(1ULL << 63, {seconds, end}), -kSecond);
  EXPECT_EQ(time_of(~0ULL >> 1, {seconds, first}), -kSecond);
}

TEST(SavefilePcapng, NamesOfEveryLength) {
  for (std::size_t length = 0; length <= 70; ++length) {
    const std::string name(length, 'x');
    const FileRead read = read_exact(
        PcapngWriter().interface(1, 0, {if_name(name), if_tsresol(9)}).enhanced(0, 1, {}).bytes());
    expect_read(read, {{{}, 1, 0, 0}});
    EXPECT_EQ(read.interfaces.at(0).name, name.substr(0, 64));
  }
  const FileRead read =
      read_exact(PcapngWriter().interface(1, 0, {if_name(std::string("lo\0x", 4))}).bytes());
  EXPECT_EQ(read.interfaces.at(0).name, "lo") << "some writers end the name by a zero";
}

TEST(SavefilePcapng, OptionsEndWithTheBlockOrByTheirMark) {
  const std::vector<NgOption> options{if_name("eth0"), if_tsresol(9)};
  for (const bool mark : {false, true}) {
    const FileRead read = read_exact(
        PcapngWriter().interface(1, 0, options, mark).enhanced(0, 5, pattern(1)).bytes());
    expect_read(read, {{pattern(1), 5, 1, 0}});
    EXPECT_EQ(read.interfaces.at(0).name, "eth0");
  }
  // What follows the mark is no option.
  const FileRead read = read_exact(PcapngWriter()
                                       .interface(1, 0, {{0, {}}, if_name("eth0"), if_tsresol(9)})
                                       .enhanced(0, 5, pattern(1))
                                       .bytes());
  expect_read(read, {{pattern(1), 5000, 1, 0}});
  EXPECT_EQ(read.interfaces.at(0).name, "");
}

TEST(SavefilePcapng, OptionsTooShortForTheirMeaningAndUnknownOnesSayNothing) {
  const FileRead read = read_exact(
      PcapngWriter()
          .interface(1, 0, {{9, {}}, {14, pattern(7)}, {3, pattern(2)}, {0x8bad, pattern(99)}})
          .enhanced(0, 5, pattern(1))
          .bytes());
  expect_read(read, {{pattern(1), 5000, 1, 0}});
}

TEST(SavefilePcapng, SimplePacketsAreCutAtTheSnapLength) {
  for (const std::uint32_t snap : {0U, 1U, 59U, 60U, 61U, 0xffffffffU}) {
    const std::size_t captured = snap == 0 ? 60 : std::min<std::size_t>(snap, 60);
    const FileRead read = read_exact(PcapngWriter()
                                         .interface(1, snap)
                                         .interface(1, 5)  // not the first: says nothing
                                         .simple(pattern(captured), 60)
                                         .enhanced(0, 0, pattern(3))
                                         .bytes());
    expect_read(read, {{pattern(captured), 0, 60, 0}, {pattern(3), 0, 3, 0}});
  }
}

TEST(SavefilePcapng, SimplePacketGetsTheTimeBeforeAndTheSectionsFirstInterface) {
  const FileRead read = read_exact(PcapngWriter()
                                       .interface(1, 4)
                                       .simple(pattern(3))
                                       .enhanced(0, 7, pattern(1))
                                       .section(Order::big)
                                       .interface(101)
                                       .simple(pattern(5))
                                       .bytes());
  expect_read(read, {{pattern(3), 0, 3, 0}, {pattern(1), 7000, 1, 0}, {pattern(5), 7000, 5, 1}});
}

TEST(SavefilePcapng, OtherBlocksArePassedOver) {
  PcapngWriter file;
  file.block(0x80000001, pattern(4)).interface();
  std::vector<Packet> expected;
  for (const std::uint32_t type :
       {0U, 4U, 5U, 7U, 8U, 10U, 0x0bad0badU, 0x0a0d0d0bU, 0x7fffffffU, 0xffffffffU}) {
    for (const std::size_t size : {0U, 4U, 400U, 100'000U}) {
      file.block(type, pattern(size)).enhanced(0, 1, pattern(size % 1000));
      expected.push_back({pattern(size % 1000), 1000, static_cast<std::uint32_t>(size % 1000), 0});
    }
  }
  expect_read(read_exact(file.bytes()), expected);
  expect_read(read_exact(file.bytes(), 1 << 20), expected);
}

TEST(SavefilePcapng, LargestBlockIsPassedOver) {
  const Octets body(PcapngFormat::kMaxBlockBytes - 12);
  const auto file = PcapngWriter().interface().block(99, body).enhanced(0, 0, pattern(1));
  expect_read(read_file(file.bytes()), {{pattern(1), 0, 1, 0}});
  expect_read(read_pipe(file.bytes(), 1, 1 << 20), {{pattern(1), 0, 1, 0}});
}

}  // namespace
}  // namespace tcpeek::ring::savefile_test
