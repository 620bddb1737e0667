// --bpf for the link types of capture files.
#include "engine/replay/replay_filters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/usage_error.h"
#include "engine/replay/link_types.h"

namespace tcpeek::engine {
namespace {

using ::testing::HasSubstr;

constexpr std::uint16_t kNflog = 239;
constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kRaw = 101;

TEST(ReplayFiltersTest, WithoutAnExpressionEverythingPasses) {
  ReplayFilters filters("");
  filters.compile_all();
  EXPECT_EQ(filters.find(kEthernet), nullptr);
}

TEST(ReplayFiltersTest, EachLinkTypeHasItsOwn) {
  ReplayFilters filters("tcp");
  filters.compile_all();
  for (const std::uint16_t link_type : known_link_types()) {
    if (link_type == kNflog) continue;
    EXPECT_NE(filters.find(link_type), nullptr) << link_type;
  }
  EXPECT_THROW(static_cast<void>(filters.find(kNflog)), UsageError) << "libpcap cannot do it";
  EXPECT_NE(filters.find(kEthernet), filters.find(kRaw));
}

// Only where a file has that link type: it may have none.
TEST(ReplayFiltersTest, ARefusalIsToldWhenItMatters) {
  ReplayFilters filters("ether src 02:00:00:00:00:01");
  filters.compile_all();
  EXPECT_NE(filters.find(kEthernet), nullptr);
  for (int i = 0; i < 2; ++i) {
    try {
      static_cast<void>(filters.find(kRaw));
      FAIL() << "raw IP has no Ethernet addresses";
    } catch (const UsageError& e) {
      EXPECT_THAT(e.what(), HasSubstr("--bpf: 'ether src 02:00:00:00:00:01' is not a filter"));
      EXPECT_THAT(e.what(), HasSubstr("for RAW (Raw IP): "));
    }
  }
}

TEST(ReplayFiltersTest, AnExpressionIsShownWithoutDrivingTheTerminal) {
  ReplayFilters filters("host \x1b[2J\n");
  filters.compile_all();
  try {
    static_cast<void>(filters.find(kEthernet));
    FAIL() << "this is not a host";
  } catch (const UsageError& e) {
    const std::string what = e.what();
    EXPECT_THAT(what, HasSubstr("'host \\x1b[2J\\x0a'"));
    EXPECT_EQ(what.find_first_of("\x1b\n"), std::string::npos) << what;
  }
}

}  // namespace
}  // namespace tcpeek::engine
