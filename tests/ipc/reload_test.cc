// RELOAD: requests taken apart, replies written and read back.
#include "ipc/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ipc/json_text.h"
#include "ipc/request.h"

namespace tcpeek::ipc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string framed(const std::string& request) {
  RequestFramer framer(kMaxRequestBytes, kMaxBodyBytes);
  EXPECT_EQ(framer.feed(request), RequestFramer::State::complete);
  return framer.request();
}

TEST(ReloadRequestTest, ComesThroughTheFramingAsItWas) {
  const std::vector<std::string> words{"--local=10.0.0.0/8", "",    "a\nb", "--",
                                       "x y:RX@%:80",        "\xff"};
  const auto request = parse_reload_request(framed(reload_request(words)));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->arguments, words);
  EXPECT_EQ(request->error, "");
}

TEST(ReloadRequestTest, OtherWordsAreNone) {
  for (const char* other : {"", "GET", "RELOADS", "reload 5", "STATS", "RELOAD5"}) {
    EXPECT_FALSE(parse_reload_request(other)) << other;
  }
}

TEST(ReloadRequestTest, WithoutABodySaysWhy) {
  EXPECT_EQ(parse_reload_request("RELOAD 12")->error,
            "RELOAD: only root and the user that tcpeek runs as may change its filters");
  for (const char* line : {"RELOAD", "RELOAD 0", "RELOAD x", "RELOAD 1048577"}) {
    EXPECT_THAT(parse_reload_request(line)->error, HasSubstr("a number of bytes from 1 to 1048576"))
        << line;
  }
  EXPECT_EQ(parse_reload_request("RELOAD 1\na")->error,
            "RELOAD: the last word is not ended by a zero byte");
}

ReloadReport a_report() {
  return {.added = {"a", "b\"\n"},
          .removed = {"c"},
          .restarted = {"d"},
          .kept = 1000,
          .exclusions_added = {":RX@%:22"},
          .exclusions_removed = {":TX@%:22", ":RX@%:1"},
          .options = {"--local"}};
}

TEST(ReloadReplyTest, IsReadAsItWasWritten) {
  const ReloadAnswer answer = read_reload_reply(reload_reply(a_report()));
  ASSERT_TRUE(answer.report);
  EXPECT_EQ(*answer.report, a_report());
  EXPECT_EQ(answer.error, "");
}

TEST(ReloadReplyTest, OfOthersSaysWhatIsWrong) {
  EXPECT_EQ(read_reload_reply(error_reply("no, \"not\" so")).error, "no, \"not\" so");
  EXPECT_THAT(read_reload_reply("").error, HasSubstr("without a reply"));
  EXPECT_THAT(read_reload_reply(R"([{"RX":{}}])").error, HasSubstr("too old for --reload"));
  for (const char* reply : {"x", "{}", "3", R"({"reload":3})", R"({"reload":{"added":[1]}})",
                            R"({"error":3})", R"({"reload":{"added":[]}})", "{\"reload\""}) {
    EXPECT_THAT(read_reload_reply(reply).error, HasSubstr("cannot be read")) << reply;
    EXPECT_FALSE(read_reload_reply(reply).report);
  }
}

TEST(ReloadWordsTest, TellWhatChanged) {
  EXPECT_EQ(in_words(a_report()),
            "2 filters added (a, b\"\n); 1 filter removed (c); 1 filter started over (d); "
            "1 exclusion added (:RX@%:22); 2 exclusions removed (:TX@%:22, :RX@%:1); "
            "changed: --local; 1000 filters kept");
  ReloadReport nothing;
  nothing.kept = 1;
  EXPECT_EQ(in_words(nothing), "nothing changed; 1 filter kept");
}

TEST(ReloadWordsTest, OfManyTheFirstAreNamed) {
  ReloadReport report;
  for (int i = 0; i < 1000; ++i) report.added.push_back("f" + std::to_string(i));
  EXPECT_EQ(in_words(report),
            "1000 filters added (f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 and 990 more); "
            "0 filters kept");
}

}  // namespace
}  // namespace tcpeek::ipc
