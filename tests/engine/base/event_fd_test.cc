// Wakes the thread that waits, once for any number of calls.
#include "engine/base/event_fd.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include <exception>
#include <string>
#include <system_error>
#include <thread>

namespace tcpeek::engine {
namespace {

bool readable(const EventFd& event, int timeout_ms = 0) {
  pollfd polled{event.descriptor(), POLLIN, 0};
  return ::poll(&polled, 1, timeout_ms) == 1;
}

TEST(EventFdTest, SilentAtFirst) {
  const EventFd event;
  EXPECT_FALSE(readable(event));
  event.clear();
  EXPECT_FALSE(readable(event)) << "clear() does not wait";
}

TEST(EventFdTest, StaysUntilCleared) {
  const EventFd event;
  event.notify();
  EXPECT_TRUE(readable(event));
  EXPECT_TRUE(readable(event));
  event.clear();
  EXPECT_FALSE(readable(event));
}

TEST(EventFdTest, ManyNotificationsAreOne) {
  const EventFd event;
  for (int i = 0; i < 100'000; ++i) event.notify();
  EXPECT_TRUE(readable(event));
  event.clear();
  EXPECT_FALSE(readable(event));
}

TEST(EventFdTest, WakesAnotherThread) {
  const EventFd event;
  const std::jthread notifier([&] { event.notify(); });
  EXPECT_TRUE(readable(event, 20'000));
}

TEST(EventFdTest, WithoutDescriptorsItSaysSo) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  std::exception_ptr thrown;
  try {
    const EventFd event;
  } catch (...) {
    thrown = std::current_exception();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(thrown);
  try {
    std::rethrow_exception(thrown);
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::too_many_files_open);
    EXPECT_NE(std::string(e.what()).find("eventfd"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace tcpeek::engine
