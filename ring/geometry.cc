#include "ring/geometry.h"

#include <linux/if_packet.h>

#include <limits>
#include <stdexcept>
#include <string>

namespace tcpeek::ring {

RingGeometry ring_geometry(unsigned mib) {
  if (mib < kMinRingMib || mib > kMaxRingMib) {
    throw std::invalid_argument("a ring of " + std::to_string(mib) + " MiB: must be from " +
                                std::to_string(kMinRingMib) + " to " + std::to_string(kMaxRingMib));
  }
  // 256 KiB blocks: some two thousand handshake packets each, and a size for which the kernel still
  // finds contiguous pages on a host that has been up for months. Small rings get smaller blocks, as
  // a single block would be either filling or being read.
  constexpr std::uint32_t kMib = 1U << 20;
  constexpr std::uint32_t kBlock = 256U << 10;
  RingGeometry g;
  g.block_bytes = mib >= 4 ? kBlock : kBlock / 4;
  g.block_count = mib * (kMib / g.block_bytes);
  g.frame_bytes = 2048;
  g.retire = std::chrono::milliseconds(10);
  return g;
}

void validate(const RingGeometry& g, std::size_t page_bytes) {
  const auto refuse = [](const std::string& why) {
    throw std::invalid_argument("ring geometry: " + why);
  };
  if (g.block_bytes == 0 || g.block_count == 0 || g.frame_bytes == 0) refuse("a size is zero");
  if (g.block_bytes % page_bytes != 0) refuse("blocks are not a multiple of the page size");
  if (g.frame_bytes % TPACKET_ALIGNMENT != 0) refuse("frames are not aligned");
  if (g.frame_bytes < sizeof(tpacket3_hdr) + sizeof(sockaddr_ll))
    refuse("frames are shorter than their header");
  if (g.block_bytes % g.frame_bytes != 0) refuse("frames do not divide blocks");
  if (g.block_bytes > std::numeric_limits<std::int32_t>::max()) refuse("blocks of 2 GiB or more");
  if (g.bytes() > std::numeric_limits<std::uint32_t>::max()) refuse("more than 4 GiB");
}

}  // namespace tcpeek::ring
