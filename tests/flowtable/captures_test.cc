// Real captures: packet by packet, the decoder says what tshark said. What tshark said is kept next
// to each capture; tests/captures/README.md tells where they come from and how it was asked.

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/flowtable/decode_support.h"
#include "tests/support/pcap_file.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::test::CapturedPacket;

const std::filesystem::path kFolder = TCPEEK_CAPTURES;

// A line of tshark's, by the names of its fields.
using Row = std::map<std::string, std::string>;

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == '\t') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

std::map<std::size_t, Row> read_rows(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> names = split(line);
  std::map<std::size_t, Row> rows;
  while (std::getline(in, line)) {
    const std::vector<std::string> fields = split(line);
    Row row;
    for (std::size_t i = 0; i < names.size(); ++i) row[names.at(i)] = fields.at(i);
    rows[std::stoul(row.at("frame.number"))] = row;
  }
  return rows;
}

std::string end_of(const Row& row, const std::string& side) {
  const std::string& v4 = row.at("ip." + side);
  return (v4.empty() ? row.at("ipv6." + side) : v4) + ' ' + row.at("tcp." + side + "port");
}

std::size_t number_at(const Octets& bytes, std::size_t at, std::size_t size) {
  std::size_t value = 0;
  for (; size > 0; --size) value = value << 8 | std::to_integer<std::size_t>(bytes.at(at++));
  return value;
}

// Whether the TCP checksum is the pseudo header's sum alone, left for a network card to finish:
// tshark calls that wrong, the decoder does not. IPv4, and IPv6 without extension headers.
bool unfinished(std::uint32_t link_type, const Octets& bytes) {
  std::size_t ip = 0;
  if (link_type == 1) {
    for (ip = 14; number_at(bytes, ip - 2, 2) == 0x8100; ip += 4) continue;
  }
  const bool v6 = number_at(bytes, ip, 1) >> 4 == 6;
  if (number_at(bytes, ip + (v6 ? 6 : 9), 1) != 6) return false;
  const std::size_t header = v6 ? 40 : (number_at(bytes, ip, 1) & 15) * 4;
  const std::size_t addresses = ip + (v6 ? 8 : 12);
  std::size_t sum = 6;
  sum += v6 ? number_at(bytes, ip + 4, 2) : number_at(bytes, ip + 2, 2) - header;
  for (std::size_t at = 0; at < (v6 ? 32U : 8U); at += 2) {
    sum += number_at(bytes, addresses + at, 2);
  }
  while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
  return number_at(bytes, ip + header + 16, 2) == sum;
}

// What the decoder must say of a packet that tshark takes for TCP or for an error quoting it.
std::string expected_of(const Row& row, Verify verify, std::uint32_t link_type,
                        const Octets& bytes) {
  const bool icmp = !row.at("icmp.type").empty();
  const bool icmpv6 = !row.at("icmpv6.type").empty();
  const std::string ends = end_of(row, "src") + ' ' + end_of(row, "dst") + ' ';
  if (icmp || icmpv6) {
    const bool unreachable = icmp ? row.at("icmp.type") == "3" && row.at("icmp.code") != "4"
                                  : row.at("icmpv6.type") == "1";
    if (!unreachable) return "other_icmp";
    if (verify != Verify::none && row.at("icmpv6.checksum.status") == "0") {
      return "transport_checksum";
    }
    return ends + row.at("tcp.seq_raw") + " unreachable";
  }
  if (row.at("tcp.flags").empty()) return "cut_first_fragment";
  if (verify != Verify::none) {
    if (row.at("ip.checksum.status") == "0") return "ip_checksum";
    if (row.at("tcp.checksum.status") == "0" && !unfinished(link_type, bytes)) {
      return "transport_checksum";
    }
  }
  const auto flags = std::stoul(row.at("tcp.flags"), nullptr, 16) & 0xffU;
  return ends + row.at("tcp.seq_raw") + ' ' + row.at("tcp.ack_raw") + ' ' + std::to_string(flags) +
         ' ' + row.at("tcp.len");
}

std::string decoded(std::uint32_t link_type, Verify verify, const CapturedPacket& packet) {
  constexpr std::uint32_t kEthernet = 1;
  constexpr std::uint32_t kRaw = 101;
  constexpr std::uint32_t kIpv4 = 228;
  EXPECT_TRUE(link_type == kEthernet || link_type == kRaw || link_type == kIpv4) << link_type;
  Frame frame;
  frame.wire_length = packet.wire_length;
  frame.time = PacketTime(std::chrono::nanoseconds(packet.time_ns));
  frame.ethertype = std::to_integer<int>(packet.bytes.at(0)) >> 4 == 6 ? 0x86dd : 0x0800;
  const LinkFraming link = link_type == kEthernet ? LinkFraming::ethernet : LinkFraming::network;
  const Decoded d = decode_copy(link, verify, frame, packet.bytes);
  if (d.what != "segment") return std::string(d.what);
  std::ostringstream out;
  out << seen(d.segment);
  return out.str();
}

class Captures : public testing::TestWithParam<const char*> {};

TEST_P(Captures, DecodedAsTsharkDoes) {
  const auto capture = tcpeek::test::read_pcap(kFolder / (std::string(GetParam()) + ".pcap"));
  auto rows = read_rows(kFolder / (std::string(GetParam()) + ".tshark.txt"));
  ASSERT_FALSE(capture.packets.empty());
  ASSERT_FALSE(rows.empty());
  for (std::size_t i = 0; i < capture.packets.size(); ++i) {
    const CapturedPacket& packet = capture.packets[i];
    const auto row = rows.find(i + 1);
    for (const Verify verify : {Verify::none, Verify::ip_and_transport}) {
      const std::string ours = decoded(capture.link_type, verify, packet);
      if (row == rows.end()) {
        EXPECT_EQ(ours.find(' '), std::string::npos)
            << "no TCP to tshark: " << i + 1 << ' ' << ours;
      } else {
        EXPECT_EQ(ours, expected_of(row->second, verify, capture.link_type, packet.bytes))
            << "packet " << i + 1;
      }
    }
    if (row != rows.end()) rows.erase(row);
  }
  EXPECT_TRUE(rows.empty()) << "tshark saw packets beyond the end";
}

INSTANTIATE_TEST_SUITE_P(Real, Captures,
                         testing::Values("arkime__ospf", "PcapPlusPlus__nanosecs_big_endian",
                                         "suricata-verify__frag-ip-tcp-syn", "zeek__http-qinq-0",
                                         "zeek__ipv6-http-atomic-frag",
                                         "zeek__modbus-and-non-modbus-p502", "zeek__rotation",
                                         "zeek__Traces_smtp", "zeek__truncated-header"),
                         [](const auto& capture) {
                           std::string name;
                           for (const char c : std::string(capture.param))
                             name += std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

// What these captures are good for: each kind of packet occurs.
TEST(CapturesAsAWhole, HoldWhatTheyWereChosenFor) {
  std::map<std::string, int> lines;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".txt") continue;
    const std::string name = entry.path().stem().stem();  // NAME.tshark.txt
    const auto capture = tcpeek::test::read_pcap(kFolder / (name + ".pcap"));
    for (const auto& [number, row] : read_rows(entry.path())) {
      const Octets& bytes = capture.packets.at(number - 1).bytes;
      const std::string line = expected_of(row, Verify::ip_and_transport, capture.link_type, bytes);
      const bool segment = line.find(' ') != std::string::npos;
      const bool unreachable = line.ends_with("unreachable");
      ++lines[unreachable ? "unreachable" : segment ? "segment" : line];
      if (segment && row.at("tcp.checksum.status") == "0") ++lines["unfinished"];
    }
  }
  for (const char* kind :
       {"segment", "unreachable", "other_icmp", "cut_first_fragment", "unfinished"}) {
    EXPECT_GT(lines[kind], 0) << kind;
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
