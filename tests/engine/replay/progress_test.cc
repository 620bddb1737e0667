// How far a replay has come, in words.

#include "engine/replay/progress.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>

namespace tcpeek::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ProgressText, OfAFile) {
  EXPECT_EQ(progress_text(250'000'000, 1'000'000'000, 5'000'000, seconds(2)),
            "25% of 1.0 GB, 2.5 M packets/s, 6 s left");
  EXPECT_EQ(progress_text(1'000, 1'000, 10, seconds(1)), "100% of 1.0 kB, 10 packets/s, 0 s left");
}

TEST(ProgressText, OfAPipe) {
  EXPECT_EQ(progress_text(34'500'000, std::nullopt, 678'000, seconds(1)),
            "34.5 MB, 678 k packets/s");
}

TEST(ProgressText, BeforeTheFirstByteNobodyKnowsWhatIsLeft) {
  EXPECT_EQ(progress_text(0, 1'500, 0, seconds(3)), "0% of 1.5 kB, 0 packets/s");
}

std::string rate(std::uint64_t packets) {
  const std::string text = progress_text(0, std::nullopt, packets, seconds(1));
  const std::size_t from = text.find(", ") + 2;
  return text.substr(from, text.find(" packets/s") - from);
}

TEST(ProgressText, NumbersOfThreeFigures) {
  const std::pair<std::uint64_t, const char*> cases[] = {{0, "0"},
                                                         {1, "1"},
                                                         {9, "9"},
                                                         {999, "999"},
                                                         {1'000, "1.0 k"},
                                                         {1'049, "1.0 k"},
                                                         {9'949, "9.9 k"},
                                                         {99'940, "99.9 k"},
                                                         {99'960, "100 k"},
                                                         {100'400, "100 k"},
                                                         {999'400, "999 k"},
                                                         {999'600, "1.0 M"},
                                                         {1'250'000, "1.2 M"}};
  for (const auto& [number, text] : cases) EXPECT_EQ(rate(number), text) << number;
  EXPECT_EQ(rate(12'300'000'000), "12.3 G");
  EXPECT_EQ(rate(4'000'000'000'000), "4.0 T");
}

TEST(ProgressText, NeverMoreThanAllAndNeverLessThanNothingLeft) {
  // A file that has grown since it was opened.
  const std::string text = progress_text(2'000, 1'000, 10, seconds(1));
  EXPECT_TRUE(text.starts_with("100% of")) << text;
  EXPECT_TRUE(text.ends_with(", 0 s left")) << text;
}

TEST(ProgressText, OddNumbersMakeNoNonsense) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, kMost}) {
    for (const std::optional<std::uint64_t> total :
         {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(0),
          std::optional<std::uint64_t>(1), std::optional<std::uint64_t>(kMost)}) {
      for (const auto elapsed : {milliseconds(0), milliseconds(-5), milliseconds(1)}) {
        const std::string text = progress_text(bytes, total, 1, elapsed);
        for (const char* nonsense : {"nan", "inf", "-", "e+"}) {
          EXPECT_EQ(text.find(nonsense), std::string::npos) << text;
        }
        EXPECT_EQ(text.find('\n'), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
