// Room for descriptors: what is needed or a refusal, what is wanted as far as it goes.
#include "engine/process/fd_limit.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

constexpr rlim_t kOpen = 20;  // lowest free number in the child

// Under these limits, with kOpen descriptors open: how many of those wanted fit, and the soft limit
// afterwards.
std::string ensured(rlimit limit, std::size_t needed, std::size_t wanted) {
  return test::in_child([&]() -> std::string {
    int number = ::dup(STDERR_FILENO);
    while (number >= 0 && number < static_cast<int>(kOpen) - 1) number = ::dup(STDERR_FILENO);
    ::close_range(kOpen, ~0U, 0);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return "no limit set";
    const std::size_t fit = ensure_descriptors(needed, wanted);
    rlimit after{};
    ::getrlimit(RLIMIT_NOFILE, &after);
    return std::to_string(fit) + " fit, limit " + std::to_string(after.rlim_cur);
  });
}

TEST(FdLimitTest, EnoughAsItIs) {
  EXPECT_EQ(ensured({64, 64}, 40, 4), "4 fit, limit 64");
  EXPECT_EQ(ensured({64, 64}, 44, 0), "0 fit, limit 64");
}

TEST(FdLimitTest, TheSoftLimitIsRaisedToWhatIsWanted) {
  EXPECT_EQ(ensured({32, 1000}, 40, 100), "100 fit, limit 160");
  EXPECT_EQ(ensured({32, 1000}, 40, 0), "0 fit, limit 60");
}

TEST(FdLimitTest, WhatIsWantedGetsWhatIsLeft) {
  EXPECT_EQ(ensured({64, 64}, 40, 100), "4 fit, limit 64");
  EXPECT_EQ(ensured({32, 64}, 40, 100), "4 fit, limit 64");
  EXPECT_EQ(ensured({60, 60}, 40, 100), "0 fit, limit 60");
}

TEST(FdLimitTest, WhatIsNeededAndDoesNotFitIsRefused) {
  EXPECT_EQ(
      ensured({59, 59}, 40, 100),
      "threw: the limit on open files is 59, but tcpeek needs 60, 40 of them for clients: raise "
      "it (ulimit -n, or LimitNOFILE= of the service)");
}

TEST(FdLimitTest, NoneFreeAtAll) {
  EXPECT_EQ(
      ensured({kOpen, kOpen}, 1, 0),
      "threw: the limit on open files is 20, but tcpeek needs 21, 1 of them for clients: raise "
      "it (ulimit -n, or LimitNOFILE= of the service)");
}

}  // namespace
}  // namespace tcpeek::engine
