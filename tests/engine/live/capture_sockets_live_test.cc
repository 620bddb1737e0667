// Sockets for an interface that comes back: what a failure costs, and when none is left.
#include <gtest/gtest.h>

#include <system_error>
#include <utility>
#include <vector>

#include "engine/live/capture_sockets.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::engine {
namespace {

constexpr std::uint32_t kNoInterface = 4711;

class CaptureSocketsLiveTest : public tcpeek::test::LiveTest {
 protected:
  CaptureSockets capture(unsigned readers) {
    const std::vector<ring::CaptureTarget> targets{
        {"tp0", tcpeek::test::index_of("tp0"), ring::Access::link_layer}};
    const std::vector<sock_filter> all{{BPF_RET | BPF_K, 0, 0, 0}};
    const CaptureConfig config{.readers = readers,
                               .geometry = ring::ring_geometry(1),
                               .promiscuous = false,
                               .steering = all};
    return {config, targets, [all](const ring::CaptureTarget&) { return all; }, closer_};
  }

  SocketCloser closer_;
};

TEST_F(CaptureSocketsLiveTest, AnInterfaceThatCannotBeCapturedTakesNothingFromTheOldOne) {
  CaptureSockets sockets = capture(2);
  const auto taken = sockets.take_sources();
  sockets.open_spares(4);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(static_cast<void>(sockets.reopen(0, kNoInterface)), std::system_error);
    EXPECT_FALSE(sockets.lost(0));
  }
  EXPECT_EQ(sockets.reopen(0, tcpeek::test::index_of("tp1")).size(), 2U)
      << "the group is still there";
}

TEST_F(CaptureSocketsLiveTest, ASingleReaderSharesItsSocketsWithTheSpares) {
  CaptureSockets sockets = capture(1);
  auto first = sockets.take_sources();
  EXPECT_TRUE(sockets.used_up(0)) << "the only one is the reader's";
  sockets.open_spares(1);
  EXPECT_FALSE(sockets.used_up(0));
  const auto second = sockets.reopen(0, tcpeek::test::index_of("tp0"));
  ASSERT_EQ(second.size(), 1U);
  EXPECT_FALSE(sockets.used_up(0)) << "the first one is on its way back";
  EXPECT_TRUE(sockets.reopen(0, tcpeek::test::index_of("tp0")).empty());
  sockets.put_back(0, std::move(first[0][0]));
  EXPECT_FALSE(sockets.used_up(0));
  EXPECT_EQ(sockets.reopen(0, tcpeek::test::index_of("tp0")).size(), 1U);
}

TEST_F(CaptureSocketsLiveTest, AGroupIsNeverUsedAgain) {
  CaptureSockets sockets = capture(2);
  auto first = sockets.take_sources();
  EXPECT_TRUE(sockets.used_up(0));
  sockets.open_spares(1);
  const auto single = sockets.reopen(0, tcpeek::test::index_of("tp0"));
  ASSERT_EQ(single.size(), 1U);
  EXPECT_TRUE(sockets.used_up(0)) << "those on their way back are of the group";
  for (auto& of_reader : first) sockets.put_back(0, std::move(of_reader[0]));
  EXPECT_TRUE(sockets.used_up(0));
}

}  // namespace
}  // namespace tcpeek::engine
