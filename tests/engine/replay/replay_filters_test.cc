// --bpf for the link types of capture files.
#include "engine/replay/replay_filters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/config/options.h"
#include "engine/replay/link_types.h"

namespace tcpeek::engine {
namespace {

using ::testing::HasSubstr;

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
    EXPECT_NE(filters.find(link_type), nullptr) << link_type;
  }
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

}  // namespace
}  // namespace tcpeek::engine
