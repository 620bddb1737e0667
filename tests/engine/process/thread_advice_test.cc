// Threads that are really refused, by either limit, and what is said about it.
#include "engine/process/thread_advice.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <system_error>
#include <thread>

#include "ring/descriptor.h"
#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

using ::testing::MatchesRegex;
using ::testing::StartsWith;

// In a child under a limit: starts a thread and says what came of it.
std::string started(void (*limit)()) {
  return test::in_child([limit]() -> std::string {
    limit();
    try {
      std::thread([] {}).join();
    } catch (const std::system_error& e) {
      return e.code().message() + thread_start_advice(e.code());
    }
    return "started";
  });
}

void set_limit(__rlimit_resource resource, rlim_t value) {
  const rlimit limit{value, value};
  if (::setrlimit(resource, &limit) != 0) ring::throw_errno("setrlimit");
}

TEST(ThreadAdviceTest, AddressSpace) {
#ifdef TCPEEK_SANITIZED
  GTEST_SKIP() << "a sanitizer reserves more address space than any limit";
#endif
  const std::string said = started([] {
    // Larger than any that glibc keeps of threads that have ended.
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, std::size_t{64} << 20);
    ::pthread_setattr_default_np(&attributes);
    set_limit(RLIMIT_AS, rlim_t{1} << 20);  // less than there is already
  });
  EXPECT_THAT(said,
              MatchesRegex("Resource temporarily unavailable; there is no address space for its "
                           "stack of 655[0-9]+ KiB: raise ulimit -v \\(now 1024 KiB\\).*"));
}

TEST(ThreadAdviceTest, Tasks) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become a user without other tasks";
  const std::string said = started([] {
    constexpr uid_t kNobodyElse = 61'234;
    set_limit(RLIMIT_NPROC, 1);
    if (::setgroups(0, nullptr) != 0 || ::setuid(kNobodyElse) != 0) ring::throw_errno("setuid");
  });
  EXPECT_THAT(said, StartsWith("Resource temporarily unavailable; no more tasks are allowed: raise "
                               "ulimit -u (now 1) or TasksMax= of the service"));
}

TEST(ThreadAdviceTest, NothingIsSaidAboutOtherErrors) {
  EXPECT_EQ(started([] {}), "started");
  EXPECT_EQ(thread_start_advice(std::make_error_code(std::errc::not_enough_memory)), "");
  EXPECT_EQ(thread_start_advice(std::make_error_code(std::errc::operation_not_permitted)), "");
}

}  // namespace
}  // namespace tcpeek::engine
