// The shape of a TPACKET_V3 ring: pure arithmetic, checked before the kernel sees it.
//
// The kernel wants blocks that are multiples of the page size, a frame size that is a multiple of
// TPACKET_ALIGNMENT and divides the block, and frames = blocks * frames per block; it allocates
// each block as contiguous pages (net/packet/af_packet.c, packet_set_ring). A packet takes only
// what it needs; the frame size is a formality in version 3.
//
// Units: bytes.
// Errors: std::invalid_argument saying what does not fit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tcpeek::ring {

struct RingGeometry {
  std::uint32_t block_bytes = 0;
  std::uint32_t block_count = 0;
  std::uint32_t frame_bytes = 0;
  std::chrono::milliseconds retire{0};  // a block that is not full is handed over after this

  [[nodiscard]] std::size_t bytes() const noexcept {
    return std::size_t{block_bytes} * block_count;
  }
  [[nodiscard]] std::uint32_t frame_count() const noexcept {
    return block_bytes / frame_bytes * block_count;
  }
};

inline constexpr unsigned kMinRingMib = 1;
inline constexpr unsigned kMaxRingMib = 4095;  // the kernel counts ring bytes in 32 bits

// A ring of `mib` MiB.
[[nodiscard]] RingGeometry ring_geometry(unsigned mib);

// Throws if the kernel would refuse `geometry` or could not map it.
void validate(const RingGeometry& geometry, std::size_t page_bytes);

}  // namespace tcpeek::ring
