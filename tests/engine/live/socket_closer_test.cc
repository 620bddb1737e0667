// Who closes packet sockets, and that all of them are closed; how long it takes is shown by
// tests/faults/test_run_ends.py.
#include "engine/live/socket_closer.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/net_namespace.h"

namespace tcpeek::engine {
namespace {

using tcpeek::test::eventually;

TEST(SocketCloserTest, HelpersAreForManyInterfaces) {
  EXPECT_EQ(helpers_to_close(2 * 2 + 18, 3), 0U) << "one interface, two readers";
  EXPECT_EQ(helpers_to_close(2 * 64 + 514, 65), 0U) << "64 readers";
  EXPECT_EQ(helpers_to_close(16 * (2 * 2 + 6), 3), 2U) << "16 interfaces";
  EXPECT_EQ(helpers_to_close(64 * (2 * 2 + 4), 3), 13U) << "64 interfaces";
  EXPECT_EQ(helpers_to_close(100'000, 3), 16U);
  EXPECT_EQ(helpers_to_close(0, 1), 0U);
}

class SocketCloserLiveTest : public tcpeek::test::LiveTest {
 protected:
  void add(SocketCloser& closer, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      ring::PacketSocket socket(ring::Access::link_layer, "none");
      descriptors_.push_back(socket.descriptor());
      closer.add(std::move(socket));
    }
  }
  [[nodiscard]] bool all_closed() const {
    return std::ranges::all_of(descriptors_, [](int descriptor) {
      return ::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF;
    });
  }

  std::vector<int> descriptors_;
};

TEST_F(SocketCloserLiveTest, ClosesAllWithThreadsMadeForIt) {
  SocketCloser closer;
  add(closer, 40);
  EXPECT_FALSE(all_closed());
  closer.close_all();
  EXPECT_TRUE(all_closed());
}

TEST_F(SocketCloserLiveTest, WhatIsLeftAtTheEndIsClosed) {
  for (const std::size_t helpers : {0U, 3U}) {
    {
      SocketCloser closer;
      const Sandbox none;
      if (helpers != 0) closer.make_helpers(helpers, none);
      add(closer, 20);
    }
    EXPECT_TRUE(all_closed());
  }
}

TEST_F(SocketCloserLiveTest, HelpersCloseWhatIsAddedWhoeverAddsIt) {
  SocketCloser closer;
  const Sandbox none;
  closer.make_helpers(3, none);
  add(closer, 10);
  EXPECT_TRUE(eventually([&] { return all_closed(); }));
  std::thread([&] { add(closer, 10); }).join();
  EXPECT_TRUE(eventually([&] { return all_closed(); }));
}

}  // namespace
}  // namespace tcpeek::engine
