// Random capture files: what an independent writer wrote comes back; changed anywhere, nothing
// outside the window is read (under the address sanitizer, as every window is a heap buffer of
// exactly its size), and what comes out lies within the file.
//
// A failure prints TCPEEK_SEED=...: with that in the environment the same file is made again.

#include <cstdlib>

#include "ring/pcap_format.h"
#include "ring/pcapng_format.h"
#include "tests/ring/savefile_support.h"
#include "tests/ring/ways_in.h"
#include "tests/support/seeds.h"

namespace tcpeek::ring::savefile_test {
namespace {

using test::for_each_seed;
using test::Order;
using test::PcapngWriter;
using test::PcapWriter;

constexpr std::int64_t kSecond = 1'000'000'000;

struct Made {
  Octets bytes;
  std::vector<std::size_t> starts;
  FileRead expected;
};

class FileMaker {
 public:
  explicit FileMaker(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  Made make() { return one_in(4) ? pcap() : pcapng(); }

 private:
  struct Interface {
    std::uint64_t units_per_second = 1'000'000;
    std::int64_t offset_s = 0;
    std::uint32_t snap_length = 0;
  };

  Order order() { return one_in(2) ? Order::little : Order::big; }
  Octets bytes() { return noise(one_in(20) ? below(3000) : below(70), random_()); }
  std::uint32_t word() { return static_cast<std::uint32_t>(random_()); }

  Made pcap() {
    const bool nanoseconds = one_in(2);
    const std::uint16_t link_type = static_cast<std::uint16_t>(random_());
    PcapWriter writer(order(),
                      nanoseconds ? PcapWriter::Unit::nanoseconds : PcapWriter::Unit::microseconds,
                      link_type);
    Made made;
    made.expected.interfaces = {{"", link_type, 0}};
    for (std::uint64_t left = below(30); left > 0; --left) {
      const Octets packet = bytes();
      const std::uint32_t seconds = word(), wire = word();
      const std::uint32_t fraction = word() % (nanoseconds ? 1'000'000'000U : 1'000'000U);
      writer.packet(seconds, fraction, packet, wire);
      made.expected.packets.push_back(
          {packet, seconds * kSecond + fraction * std::int64_t{nanoseconds ? 1 : 1000}, wire, 0});
    }
    return finished(made, writer);
  }

  Made pcapng() {
    order_ = order();
    PcapngWriter writer(order_);
    Made made;
    section_.clear();
    last_time_ = 0;
    for (std::uint64_t left = below(40); left > 0; --left) add_block(writer, made);
    return finished(made, writer);
  }

  void add_block(PcapngWriter& writer, Made& made) {
    if (one_in(10)) {
      order_ = order();
      writer.section(order_);
      section_.clear();
    } else if (section_.empty() || one_in(8)) {
      add_interface(writer, made);
    } else if (one_in(6)) {
      constexpr std::uint32_t kTypes[] = {4, 5, 10, 0x0bad, 0x80000001};
      writer.block(kTypes[below(5)], noise(below(20) * 4));
    } else {
      add_packet(writer, made);
    }
  }

  void add_interface(PcapngWriter& writer, Made& made) {
    Interface interface;
    std::vector<test::NgOption> options;
    std::string name;
    if (one_in(2)) options.push_back(test::if_name(name = std::string(1 + below(20), 'e')));
    if (one_in(2)) {
      const auto digits = static_cast<std::uint8_t>(below(10));
      interface.units_per_second = 1;
      for (int i = 0; i < digits; ++i) interface.units_per_second *= 10;
      options.push_back(test::if_tsresol(digits));
    }
    if (one_in(3)) {
      interface.offset_s = static_cast<std::int64_t>(below(2'000'000'000)) - 1'000'000'000;
      options.push_back(test::if_tsoffset(order_, interface.offset_s));
    }
    if (one_in(3)) options.push_back({static_cast<std::uint16_t>(3 + below(5)), noise(below(30))});
    std::shuffle(options.begin(), options.end(), random_);
    if (one_in(2)) interface.snap_length = static_cast<std::uint32_t>(1 + below(100));
    const auto link_type = static_cast<std::uint16_t>(random_());
    writer.interface(link_type, interface.snap_length, options, one_in(2));
    made.expected.interfaces.push_back(
        {name, link_type, static_cast<std::uint32_t>(section_.size())});
    section_.push_back(interface);
  }

  void add_packet(PcapngWriter& writer, Made& made) {
    const std::size_t first = made.expected.interfaces.size() - section_.size();
    const std::uint64_t kind = below(3);
    const auto number = static_cast<std::uint32_t>(kind == 2 ? 0 : below(section_.size()));
    const Interface& interface = section_[number];
    Packet packet{bytes(), last_time_, 0, static_cast<std::uint32_t>(first + number)};
    packet.wire_length = static_cast<std::uint32_t>(packet.bytes.size());
    if (kind == 2) {
      if (interface.snap_length != 0 && packet.bytes.size() > interface.snap_length) {
        packet.bytes.resize(interface.snap_length);
      }
      writer.simple(packet.bytes, packet.wire_length);
    } else {
      const std::uint64_t seconds = below(2'000'000'000);
      const std::uint64_t fraction = below(interface.units_per_second);
      const std::uint64_t time = seconds * interface.units_per_second + fraction;
      packet.wire_length = word();
      packet.time_ns =
          (static_cast<std::int64_t>(seconds) + interface.offset_s) * kSecond +
          static_cast<std::int64_t>(fraction * (1'000'000'000 / interface.units_per_second));
      if (kind == 0) {
        writer.enhanced(number, time, packet.bytes, packet.wire_length, {}, Octets(below(3) * 4));
      } else {
        writer.obsolete(static_cast<std::uint16_t>(number), time, packet.bytes, packet.wire_length);
      }
      last_time_ = packet.time_ns;
    }
    made.expected.packets.push_back(packet);
  }

  static Made finished(Made& made, const test::SavefileWriter& writer) {
    made.bytes = writer.bytes();
    made.starts = writer.starts();
    return made;
  }

  std::mt19937_64 random_;
  Order order_ = Order::little;
  std::vector<Interface> section_;
  std::int64_t last_time_ = 0;
};

TEST(SavefileRandom, WhatWasWrittenComesBack) {
  for_each_seed(3000, [](std::uint64_t seed) {
    FileMaker maker(seed);
    const Made made = maker.make();
    const std::size_t more = maker.one_in(2) ? 0 : maker.below(4000);
    expect_same(read_exact(made.bytes, more, 1 + maker.below(70)), made.expected, "exact windows");
  });
}

TEST(SavefileRandom, WhatWasWrittenComesBackThroughFilesAndPipes) {
  for_each_seed(100, [](std::uint64_t seed) {
    FileMaker maker(seed);
    const Made made = maker.make();
    expect_same(read_file(made.bytes), made.expected, "file");
    expect_same(read_pipe(made.bytes, seed, 1 + maker.below(300)), made.expected, "pipe");
    expect_same(read_file(gzip(made.bytes)), made.expected, "gzip");
    expect_same(read_pipe(zstd(made.bytes), seed, 1 + maker.below(300)), made.expected, "zstd");
  });
}

// Every record whole before the cut comes out, none beyond it.
TEST(SavefileRandom, CutAnywhereGivesAPrefix) {
  for_each_seed(3000, [](std::uint64_t seed) {
    FileMaker maker(seed);
    const Made made = maker.make();
    const std::size_t size = maker.below(made.bytes.size() + 1);
    const FileRead read = read_exact(first_of(made.bytes, size), maker.below(3));
    if (size < made.starts.front() || size < 12) {
      EXPECT_NE(read.refused, "");
      return;
    }
    const auto next = std::upper_bound(made.starts.begin(), made.starts.end(), size);
    ASSERT_EQ(read.damage.has_value(), *(next - 1) != size);
    if (read.damage) {
      EXPECT_EQ(read.damage->offset, *(next - 1));
    }
    ASSERT_LE(read.packets.size(), made.expected.packets.size());
    EXPECT_TRUE(
        std::equal(read.packets.begin(), read.packets.end(), made.expected.packets.begin()));
  });
}

std::unique_ptr<SavefileFormat> recognise(std::span<const std::byte> window) {
  if (auto pcapng = PcapngFormat::recognise(window)) return pcapng;
  return PcapFormat::recognise(window);
}

// A format asks for more than it has, or it could never go on; it uses whole records only.
TEST(SavefileRandom, WindowsThatGrowByOneByte) {
  for_each_seed(300, [](std::uint64_t seed) {
    FileMaker maker(seed);
    const Made made = maker.make();
    const auto format = recognise(made.bytes);
    ASSERT_NE(format, nullptr);
    std::vector<SavedPacket> packets;
    std::size_t at = 0, seen = 0, end = std::min<std::size_t>(24, made.bytes.size());
    while (end <= made.bytes.size()) {
      const std::size_t size = end - at;
      const auto window = std::make_unique<std::byte[]>(size);
      std::copy_n(made.bytes.begin() + static_cast<std::ptrdiff_t>(at), size, window.get());
      packets.clear();
      const auto parsed = format->parse({window.get(), size}, 3, packets);
      ASSERT_EQ(parsed.damage, nullptr) << parsed.damage;
      ASSERT_LE(parsed.used, size);
      for (const SavedPacket& p : packets) {
        ASSERT_LT(seen, made.expected.packets.size());
        const Packet& expected = made.expected.packets[seen++];
        ASSERT_TRUE(std::equal(p.bytes.begin(), p.bytes.end(), expected.bytes.begin(),
                               expected.bytes.end()));
      }
      at += parsed.used;
      if (packets.size() == 3) continue;
      ASSERT_GT(parsed.wanted, size - parsed.used);
      ASSERT_TRUE(std::binary_search(made.starts.begin(), made.starts.end(), at)) << at;
      ++end;
    }
    EXPECT_EQ(seen, made.expected.packets.size());
    EXPECT_EQ(at, made.bytes.size());
  });
}

TEST(SavefileRandom, ChangedBytesReadNothingOutside) {
  for_each_seed(20'000, [](std::uint64_t seed) {
    FileMaker maker(seed);
    Made made = maker.make();
    std::size_t first = made.bytes.size();
    for (std::uint64_t changes = 1 + maker.below(5); changes > 0; --changes) {
      // Mostly where it hurts: at the start of a record.
      const std::size_t start = made.starts[maker.below(made.starts.size())];
      const std::size_t at =
          std::min(maker.one_in(2) ? start + maker.below(36) : maker.below(made.bytes.size()),
                   made.bytes.size() - 1);
      constexpr std::uint8_t kTelling[] = {0, 1, 2, 3, 4, 6, 12, 13, 16, 0x0a, 0x7f, 0x80, 0xff};
      made.bytes[at] = maker.one_in(2) ? std::byte{kTelling[maker.below(std::size(kTelling))]}
                                       : static_cast<std::byte>(maker.below(256));
      first = std::min(first, at);
    }
    if (maker.one_in(4)) made.bytes.resize(maker.below(made.bytes.size() + 1));
    const FileRead read = read_exact(made.bytes, maker.one_in(2) ? 0 : maker.below(200));
    std::size_t out = 0;
    for (const Packet& p : read.packets) out += p.bytes.size();
    EXPECT_LE(out, made.bytes.size());
    if (read.damage) {
      EXPECT_LE(read.damage->offset, made.bytes.size());
    }
    // Records before the first change are not touched by it, nor is the first header.
    if (first < made.starts[0] || first < 28) return;
    const auto whole = std::upper_bound(made.starts.begin(), made.starts.end(),
                                        std::min(first, made.bytes.size()));
    if (read.damage) {
      EXPECT_GE(read.damage->offset, *(whole - 1));
    }
  });
}

TEST(SavefileRandom, NoiseBehindAGoodHeaderReadsNothingOutside) {
  for_each_seed(5'000, [](std::uint64_t seed) {
    FileMaker maker(seed);
    Octets bytes = maker.one_in(2)
                       ? PcapWriter(Order::little, PcapWriter::Unit::nanoseconds).bytes()
                       : PcapngWriter(Order::big).interface().bytes();
    Octets behind = noise(maker.below(300), seed);
    const bool small = maker.one_in(2);
    for (std::byte& b : behind) b &= small ? std::byte{3} : std::byte{0xff};
    const FileRead read = read_exact(joined(bytes, behind), maker.below(2));
    EXPECT_EQ(read.refused, "");
  });
}

}  // namespace
}  // namespace tcpeek::ring::savefile_test
