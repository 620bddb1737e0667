// The page of --explain, and the lines of one finding.
#include "engine/output/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/engine/output/local_zone.h"

namespace tcpeek::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

ipc::Finding finding() {
  ipc::Finding finding;
  finding.verdict = ipc::Verdict::here;
  finding.rule = "refused_here";
  finding.sentence = "Nobody listens.";
  finding.evidence = {"one", "two"};
  finding.limits = {"three"};
  finding.next = {"ss -ltn"};
  finding.times.counting_since = std::chrono::system_clock::time_point(1s);
  return finding;
}

TEST(Explanation, AFindingHasItsReasonsBelowItsSentence) {
  const test::LocalZone utc("UTC");
  ipc::Finding told = finding();
  told.times.never_worked = true;
  EXPECT_THAT(finding_lines(told, 2),
              ElementsAre("2. here: Nobody listens.",
                          "   since     1970-01-01 00:00:01, the first attempt: never seen to work",
                          "   evidence  one", "             two", "   limits    three",
                          "   next      ss -ltn", "   rule      refused_here"));
  told.times.never_worked = false;
  told.times.last_success = std::chrono::system_clock::time_point(2s);
  told.times.failing_since = std::chrono::system_clock::time_point(3s);
  EXPECT_EQ(finding_lines(told, 1)[1],
            "   since     1970-01-01 00:00:03; last success 1970-01-01 00:00:02");
}

TEST(Explanation, ThePageNamesWhatIsLeftOutAndPending) {
  const test::LocalZone utc("UTC");
  ipc::Explanation explanation;
  explanation.summary = "5 of 9 attempts failed.";
  explanation.doubts = {"Packets were lost."};
  explanation.findings = {finding(), finding()};
  explanation.more_findings = 4;
  explanation.pending = 3;
  explanation.pending_attempts = {
      {"192.0.2.1:9", "192.0.2.2:80", std::chrono::system_clock::time_point(5s), true, 2}};
  const std::string page = explanation_page(explanation);
  EXPECT_THAT(page, HasSubstr("5 of 9 attempts failed.\nPackets were lost.\n\n1. here: "));
  EXPECT_THAT(page, HasSubstr("\n2. here: "));
  EXPECT_THAT(page, HasSubstr("\n4 more left out; these matter most.\n"));
  EXPECT_THAT(page,
              HasSubstr("\nPending where the file ends: 3\n   192.0.2.1:9 > 192.0.2.2:80  since "
                        "1970-01-01 00:00:05, answered, 2 SYNs\n   and 2 more\n"));
  explanation.pending_attempts.clear();
  EXPECT_THAT(explanation_page(explanation), Not(HasSubstr("Pending")));
}

}  // namespace
}  // namespace tcpeek::engine
