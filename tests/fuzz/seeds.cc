// Writes first inputs of the targets: fuzz_seeds FOLDER CAPTURE... Frames are those of the captures and
// of PacketMaker; files are the small ones of the captures and what SavefileWriter makes of blocks
// that those lack. Only needed to recreate tests/fuzz/corpus.

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "engine/replay/link_types.h"
#include "tests/flowtable/random_packets.h"
#include "tests/fuzz/frame_input.h"
#include "tests/ring/ways_in.h"
#include "tests/support/tunnel_headers.h"

namespace tcpeek::fuzz {
namespace {

using flowtable::LinkFraming;
using test::Order;

constexpr std::size_t kMostFrames = 40;     // of one capture
constexpr std::size_t kLongestFrame = 200;  // what follows the headers tells nothing
constexpr std::size_t kLongestFile = 4096;
constexpr std::uint64_t kMadeFrames = 300;

class Seeds {
 public:
  explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void write(const std::string& target, const Octets& bytes) {
    const auto folder = folder_ / target;
    std::filesystem::create_directories(folder);
    std::ofstream out(folder / ("seed" + std::to_string(written_++)), std::ios::binary);
    out.exceptions(std::ios::failbit | std::ios::badbit);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::filesystem::path folder_;
  std::size_t written_ = 0;
};

void write_frame(Seeds& seeds, LinkFraming link, Octets bytes, std::size_t beyond,
                 std::uint16_t ethertype = 0) {
  FrameInput frame;
  frame.link = link;
  frame.ethertype = ethertype;
  frame.beyond = static_cast<std::uint32_t>(beyond);
  frame.snap_length = bytes.size();
  frame.bytes = std::move(bytes);
  seeds.write("decode", written(frame));
}

Octets octets(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

void write_captured_frames(Seeds& seeds, const std::string& path) {
  ring::SavefileReader reader(ring::open_input(path, -1));
  std::vector<ring::SavedPacket> packets;
  if (!reader.read(packets, kMostFrames)) return;
  for (const ring::SavedPacket& p : packets) {
    const auto link = engine::link_of(reader.interfaces().at(p.interface).link_type);
    const auto bytes = p.bytes.first(std::min(p.bytes.size(), kLongestFrame));
    if (link) write_frame(seeds, *link, octets(bytes), p.wire_length - bytes.size());
  }
}

// What stands before an IP packet on each link.
void write_on_every_link(Seeds& seeds, const Octets& network, bool v6) {
  const std::uint16_t ethertype = v6 ? 0x86dd : 0x0800;
  Octets cooked(14);
  test::put16(cooked, ethertype);
  Octets cooked_v2;
  test::put16(cooked_v2, ethertype);
  cooked_v2.resize(20);
  Octets family;
  test::put32(family, v6 ? 30 : 2);
  Octets log;
  test::put32(log, (v6 ? 10U : 2U) << 24);
  test::put32(log, 0xffff0900);  // the packet's attribute, little-endian
  for (auto [link, header] :
       {std::pair(LinkFraming::network, Octets{}), std::pair(LinkFraming::raw_ip, Octets{}),
        std::pair(LinkFraming::cooked, cooked), std::pair(LinkFraming::cooked_v2, cooked_v2),
        std::pair(LinkFraming::family, family), std::pair(LinkFraming::nflog, log)}) {
    test::append(header, network);
    write_frame(seeds, link, header, 0, ethertype);
  }
}

void write_made_frames(Seeds& seeds) {
  for (std::uint64_t seed = 0; seed < kMadeFrames; ++seed) {
    flowtable::decode_test::PacketMaker maker(seed);
    const auto made = maker.make();
    const bool v6 = made.packet.parts().v6();
    if (made.packet.build().size() > kLongestFrame) continue;
    write_frame(seeds, made.link, made.packet.build(), 0, made.packet.parts().first_ethertype());
    if (seed % 10 == 0) write_on_every_link(seeds, made.packet.network(), v6);
  }
}

// Each kind of tunnel, alone and in another one.
void write_tunnels(Seeds& seeds) {
  for (const bool v6 : {false, true}) {
    const auto ends = [&](bool inner) {
      return inner != v6 ? test::PacketBuilder().ip("192.0.2.1", "192.0.2.2")
                         : test::PacketBuilder().ip("2001:db8::1", "2001:db8::2");
    };
    for (const auto& [name, what] : test::every_tunnel(ends(true).tcp(40000, 80).flags(2))) {
      const auto once = test::carried(ends(false), what);
      write_frame(seeds, LinkFraming::ethernet, test::frame_of_ip(once), 0);
      const auto twice =
          test::carried(ends(false), test::gre(v6 ? 0x86dd : 0x0800, once.network()));
      write_frame(seeds, LinkFraming::ethernet, test::frame_of_ip(twice), 0);
    }
  }
}

void write_file(Seeds& seeds, const Octets& file) {
  using namespace ring::savefile_test;
  seeds.write("savefiles", file);
  seeds.write("savefiles", gzip(file));
  seeds.write("savefiles", zstd(file));
}

void write_made_files(Seeds& seeds) {
  const Octets bytes(20, std::byte{0x45});
  for (const Order order : {Order::little, Order::big}) {
    write_file(seeds, test::PcapWriter(order, test::PcapWriter::Unit::microseconds)
                          .packet(1, 2, bytes)
                          .packet(3, 4, {}, 60)
                          .bytes());
    write_file(seeds, test::PcapngWriter(order)
                          .interface(1, 0, {test::if_name("eth0"), test::if_tsresol(9)})
                          .interface(113, 16, {test::if_tsoffset(order, -5)})
                          .enhanced(0, 1'000'000'000, bytes)
                          .obsolete(1, 7, bytes)
                          .simple(bytes)
                          .block(5, bytes)
                          .section(order == Order::big ? Order::little : Order::big)
                          .interface()
                          .enhanced(0, 5, bytes, 60)
                          .bytes());
  }
}

void write_small_capture(Seeds& seeds, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.size() <= kLongestFile) seeds.write("savefiles", octets(std::as_bytes(std::span(text))));
}

Octets octets(std::string_view text) {
  return octets(std::as_bytes(std::span(text)));
}

void write_texts(Seeds& seeds) {
  for (const std::string_view text :
       {"web:RX@%:80:443:8000-8099\n:TX@10.0.0.0/8:%,[2001:db8::/32]:22",
        "a:TX@192.0.2.1:1-65535\nb:TX@[2001:db8::1]/128:*,*:1\nc:RX@0.0.0.0/0:2,[::]/0:3",
        "web@%:80\nRX@%:80\nx:rx@%:1\nx:RX@1.2.3:1\nx:RX@[::1:1\nx:RX@1.2.3.4/33:1\nx:RX@%:9-1",
        "\xc3\xa4:RX@10.0.0.1/8:80\npcap:RX@%:1\n a:RX@%:1\na :RX@%:1\n\xff:RX@%:1"}) {
    seeds.write("filters", octets(text));
  }
  using namespace std::string_view_literals;
  for (
      const std::string_view text :
      {"-u\0nobody\0-i\0eth0\0-U\0/tmp/s\0-c\0002\0-t\0005\0-B\00064\0-l\0debug\0-q"sv,
       "--interface=any\0--promisc\0--icmp\0--syslog\0--threads=4\0--cpus=0-3,8\0web:RX@%:80"sv,
       "-r\0a.pcap\0--read=-\0--local=10.1.2.3/8\0--copy-window=0\0--bpf=net 10.0.0.0/8"sv,
       "--capture\0tcp\0--decap=vxlan:1,gre\0--output=json\0--max-sessions\0005000\0--\0-a:RX@%:1"sv,
       "--help"sv, "-v"sv, "--timeut=3"sv, "--timeout="sv, "--quiet=1"sv, "-t"sv, "-zz"sv,
       "-ieth0\0-t5"sv}) {
    seeds.write("options", octets(text));
  }
  for (const std::string_view text :
       {"GET\r\n"sv, "REFRESH\n"sv, " STATS \t"sv, ""sv,
        "WATCH json filter=web result=success,reset from=7\n"sv, "WATCH form=1\n"sv,
        "DELTA grafana-1.x_y\n"sv, "DELTA a b\n"sv}) {
    seeds.write("requests", with_choices(octets(text), Octets{std::byte{3}, std::byte{1}}));
  }
}

}  // namespace
}  // namespace tcpeek::fuzz

int main(int count, char** arguments) {
  using namespace tcpeek::fuzz;
  if (count < 2) {
    std::cerr << "usage: fuzz_seeds FOLDER CAPTURE...\n";
    return 2;
  }
  try {
    Seeds seeds(arguments[1]);
    write_made_frames(seeds);
    write_tunnels(seeds);
    write_made_files(seeds);
    write_texts(seeds);
    for (int i = 2; i < count; ++i) {
      write_captured_frames(seeds, arguments[i]);
      write_small_capture(seeds, arguments[i]);
    }
  } catch (const std::exception& error) {
    std::cerr << "fuzz_seeds: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
