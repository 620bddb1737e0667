// Options for a quick look: what is shown, for how long, and where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "engine/config/options.h"
#include "flowtable/outcome.h"
#include "tests/engine/config/command_line.h"

namespace tcpeek::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Options, what_is_shown_and_for_how_long) {
  const Options options = options_of({"--only=timeout,refused", "--color=never", "--duration=5",
                                      "--count", "1000000000000", "--netns=blue"});
  EXPECT_EQ(options.only, OutcomeChoice::parse("timeout,refused"));
  EXPECT_EQ(options.colour, ColourMode::never);
  EXPECT_EQ(options.duration, std::chrono::seconds(5));
  EXPECT_EQ(options.count, 1'000'000'000'000U);
  EXPECT_EQ(options.netns, "blue");
  EXPECT_EQ(options_of({"--color=always"}).colour, ColourMode::always);
  EXPECT_EQ(options_of({"--color=auto"}).colour, ColourMode::automatic);
  for (const char* wrong : {"--only=", "--only=x", "--only=success,", "--only=evicted",
                            "--color=yes", "--duration=0", "--duration=1000000001", "--count=0",
                            "--count=-1", "--netns=", "--netns=a/b", "--netns=.."}) {
    EXPECT_NE(message_of({wrong}), "accepted") << wrong;
  }
  EXPECT_THAT(message_of({"--only=timeout,refusd,x"}),
              StartsWith("--only: 'refusd' is not success, failure, or a list"));
  EXPECT_THAT(message_of({"--only=timeout,"}), StartsWith("--only: '' is not success"));
  EXPECT_EQ(message_of({"--netns=a", "-r", "x"}),
            "--netns: for live capture only, cannot be combined with --read");
}

// All that can be chosen, by name: nobody has to guess.
TEST(Options, a_wrong_word_of_only_is_answered_with_all_words) {
  const std::string message = message_of({"--only=x"});
  for (std::size_t i = 0; i < flowtable::kCauses; ++i) {
    const auto cause = static_cast<flowtable::Cause>(i);
    if (cause == flowtable::Cause::evicted) continue;  // shown nowhere
    EXPECT_THAT(message, HasSubstr(flowtable::word(flowtable::result_of(cause))));
    EXPECT_THAT(message, HasSubstr(flowtable::word(cause)));
  }
}

}  // namespace
}  // namespace tcpeek::engine
