// The brake takes its registrations and one descriptor, and does with fewer where there are none.
#include "ipc/connect_brake.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/ipc/support.h"

namespace tcpeek::ipc {
namespace {

using namespace test;

class ConnectBrakeTest : public testing::Test {
 protected:
  ConnectBrakeTest() {
    EXPECT_EQ(bind_to(listener_.get(), path()), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
  }

  [[nodiscard]] std::string path() const { return dir_ / "x.sock"; }

  TempDir dir_;
  UniqueFd listener_ = unix_socket();
};

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

// What the kernel says of the epoll instance with the highest number of registrations.
int most_registrations() {
  int most = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream info(entry.path());
    int found = 0;
    for (std::string line; std::getline(info, line);) found += line.starts_with("tfd:") ? 1 : 0;
    most = std::max(most, found);
  }
  return most;
}

TEST_F(ConnectBrakeTest, TakesItsRegistrationsAndOneDescriptor) {
  const auto before = open_descriptors();
  {
    const ConnectBrake brake(listener_.get());
    EXPECT_EQ(brake.registrations(), ConnectBrake::kRegistrations);
    EXPECT_EQ(most_registrations(), ConnectBrake::kRegistrations);
    EXPECT_EQ(open_descriptors(), before + 1);
    const Client client(path());
    EXPECT_GE(UniqueFd(::accept(listener_.get(), nullptr, nullptr)).get(), 0);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(ConnectBrakeTest, DoesWithFewerWhereDescriptorsAreShort) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{static_cast<rlim_t>(listener_.get()) + 20, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const ConnectBrake brake(listener_.get());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(brake.registrations(), 0);
  EXPECT_LT(brake.registrations(), 20);
  const Client client(path());
}

}  // namespace
}  // namespace tcpeek::ipc
