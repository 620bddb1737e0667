// --prefilter: its modes, off unless asked for, and that it is for live capture alone.
#include <gtest/gtest.h>

#include "engine/config/options.h"
#include "tests/engine/config/command_line.h"

namespace tcpeek::engine {
namespace {

TEST(Options, modes_of_the_prefilter) {
  EXPECT_EQ(options_of({}).prefilter, PrefilterMode::off);
  EXPECT_EQ(options_of({"--prefilter=off"}).prefilter, PrefilterMode::off);
  EXPECT_EQ(options_of({"--prefilter", "auto"}).prefilter, PrefilterMode::automatic);
  EXPECT_EQ(options_of({"--prefilter=on"}).prefilter, PrefilterMode::on);
  EXPECT_THROW(options_of({"--prefilter=yes"}), UsageError);
  EXPECT_THROW(options_of({"--prefilter=on", "-r", "-"}), UsageError);
}

}  // namespace
}  // namespace tcpeek::engine
