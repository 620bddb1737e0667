// A capture file read whole, for tests: pcap of either byte order, in micro- or nanoseconds.
//
// Anything that is wrong with it throws: the captures of the tests are known to be sound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/octets.h"

namespace tcpeek::test {

struct CapturedPacket {
  std::int64_t time_ns = 0;
  std::uint32_t wire_length = 0;
  Octets bytes;
};

struct PcapFile {
  std::uint32_t link_type = 0;
  std::vector<CapturedPacket> packets;
};

inline PcapFile read_pcap(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string file(std::istreambuf_iterator<char>(in), {});
  bool big_endian = false;
  const auto u32 = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const auto byte = static_cast<std::uint8_t>(file.at(at + i));
      value |= std::uint32_t{byte} << 8 * (big_endian ? 3 - i : i);
    }
    return value;
  };
  constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
  constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
  const auto known = [&] { return u32(0) == kMicroseconds || u32(0) == kNanoseconds; };
  if (file.size() < 24) throw std::runtime_error("no pcap file: " + path);
  big_endian = !known();
  if (!known()) throw std::runtime_error("no pcap file: " + path);
  const std::int64_t unit_ns = u32(0) == kNanoseconds ? 1 : 1000;

  PcapFile capture;
  capture.link_type = u32(20);
  for (std::size_t at = 24; at < file.size();) {
    CapturedPacket packet;
    packet.time_ns = std::int64_t{u32(at)} * 1'000'000'000 + std::int64_t{u32(at + 4)} * unit_ns;
    const std::size_t length = u32(at + 8);
    packet.wire_length = u32(at + 12);
    if (length > file.size() - at - 16) throw std::runtime_error("cut short: " + path);
    for (std::size_t i = 0; i < length; ++i) {
      put8(packet.bytes, static_cast<std::uint8_t>(file[at + 16 + i]));
    }
    capture.packets.push_back(packet);
    at += 16 + length;
  }
  return capture;
}

}  // namespace tcpeek::test
