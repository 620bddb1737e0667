// Ring sizes: what a number of MiB becomes, and that each thing the kernel would refuse is refused
// here first, in words.
#include "ring/geometry.h"

#include <gtest/gtest.h>
#include <linux/if_packet.h>

#include <functional>
#include <limits>
#include <stdexcept>
#include <string>

namespace tcpeek::ring {
namespace {

constexpr std::size_t kPage = 4096;

TEST(GeometryTest, EverySizeHoldsExactlyItsMebibytesAndIsValid) {
  for (unsigned mib = kMinRingMib; mib <= kMaxRingMib; ++mib) {
    const RingGeometry g = ring_geometry(mib);
    ASSERT_EQ(g.bytes(), std::size_t{mib} << 20);
    ASSERT_NO_THROW(validate(g, kPage)) << mib;
    ASSERT_GE(g.block_count, 4U) << "one block fills while another is read";
    // What the kernel checks: tp_frame_nr == frames per block * tp_block_nr.
    ASSERT_EQ(g.frame_count(), g.block_bytes / g.frame_bytes * g.block_count);
    ASSERT_GT(g.retire.count(), 0);
  }
}

TEST(GeometryTest, PagesOf64KiBDoToo) {
  EXPECT_NO_THROW(validate(ring_geometry(kMinRingMib), 64 << 10));
  EXPECT_NO_THROW(validate(ring_geometry(64), 64 << 10));
}

TEST(GeometryTest, SizesOutsideTheBoundsAreRefusedWithTheBounds) {
  for (const unsigned mib : {0U, kMaxRingMib + 1, std::numeric_limits<unsigned>::max()}) {
    try {
      static_cast<void>(ring_geometry(mib));
      ADD_FAILURE() << mib << " was accepted";
    } catch (const std::invalid_argument& e) {
      const std::string what = e.what();
      EXPECT_NE(what.find(std::to_string(mib)), std::string::npos) << what;
      EXPECT_NE(what.find(std::to_string(kMaxRingMib)), std::string::npos) << what;
    }
  }
}

struct Refusal {
  const char* reason;  // a part of the message
  std::function<void(RingGeometry&)> spoil;
};

TEST(GeometryTest, EachRuleIsHeldByItself) {
  const Refusal refusals[] = {
      {"zero", [](RingGeometry& g) { g.block_bytes = 0; }},
      {"zero", [](RingGeometry& g) { g.block_count = 0; }},
      {"zero", [](RingGeometry& g) { g.frame_bytes = 0; }},
      {"page", [](RingGeometry& g) { g.block_bytes = 2048; }},
      {"page", [](RingGeometry& g) { g.block_bytes += 2048; }},
      {"aligned", [](RingGeometry& g) { g.frame_bytes = 2049; }},
      {"aligned", [](RingGeometry& g) { g.frame_bytes = 2048 + TPACKET_ALIGNMENT / 2; }},
      {"shorter", [](RingGeometry& g) { g.frame_bytes = 64; }},
      {"divide", [](RingGeometry& g) { g.frame_bytes = 2048 + TPACKET_ALIGNMENT; }},
      {"divide", [](RingGeometry& g) { g.frame_bytes = 2 * g.block_bytes; }},
      {"4 GiB", [](RingGeometry& g) { g.block_count = (1U << 31) / g.block_bytes * 2; }},
      {"4 GiB", [](RingGeometry& g) { g.block_count = 0xffffffff; }},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.reason);
    RingGeometry g = ring_geometry(16);
    refusal.spoil(g);
    try {
      validate(g, kPage);
      ADD_FAILURE() << "accepted";
    } catch (const std::invalid_argument& e) {
      EXPECT_NE(std::string(e.what()).find(refusal.reason), std::string::npos) << e.what();
    }
  }
}

TEST(GeometryTest, BlockOf2GiBIsRefusedAsTheKernelCountsItSigned) {
  RingGeometry g = ring_geometry(16);
  g.block_bytes = 1U << 31;
  g.block_count = 1;
  EXPECT_THROW(validate(g, kPage), std::invalid_argument);
}

}  // namespace
}  // namespace tcpeek::ring
