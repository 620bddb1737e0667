// Warnings of losses: at once the first time, then once a minute, each kind by itself.
#include "engine/output/loss_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

using ipc::Snapshot;
using ipc::Tally;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

class LossWarningsTest : public testing::Test {
 protected:
  // A second later.
  std::vector<std::string> told() {
    now_ += 1s;
    std::vector<std::string> texts;
    for (const LossWarning& warning : loss_warnings_.warnings(snapshot_, now_)) {
      texts.push_back(warning.text);
      EXPECT_EQ(warning.entry.message_id, kLossMessage);
      EXPECT_EQ(warning.entry.fields.size(), 2U);
      if (warning.entry.fields[0].second == "packets_dropped") {
        dropped_.push_back(warning.entry.fields[1].second);
      }
    }
    return texts;
  }

  LossWarnings loss_warnings_{{.ring_mib = 64, .readers = 2}};
  Snapshot snapshot_;
  LossWarnings::Clock::time_point now_{};
  std::vector<std::string> dropped_;  // as fields of the journal
};

TEST_F(LossWarningsTest, NothingLostNothingTold) {
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(LossWarningsTest, DropsAreToldAtOnceThenOnceAMinute) {
  snapshot_.packets.dropped = 5;
  EXPECT_THAT(told(),
              ElementsAre("the kernel dropped 5 packets (ring full): try a larger ring (-B, "
                          "now 64 MiB), more readers (--threads, now 2) or a narrower capture "
                          "(--bpf)"));
  for (int i = 0; i < 59; ++i) {
    ++snapshot_.packets.dropped;
    EXPECT_THAT(told(), IsEmpty());
  }
  EXPECT_THAT(told(), ElementsAre(HasSubstr("dropped 59 packets")));
  now_ += 1h;
  EXPECT_THAT(told(), IsEmpty()) << "no more were lost";
  ++snapshot_.packets.dropped;
  EXPECT_THAT(told(), ElementsAre(HasSubstr("dropped 1 packet (ring full)")));
  EXPECT_THAT(dropped_, ElementsAre("5", "59", "1"));
}

TEST_F(LossWarningsTest, TunnelsAreToldOnce) {
  snapshot_.packets.ignored = {{"not_ip", 3}, {"tunnel", 0}};
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(tunnel_warning(snapshot_), std::nullopt);
  snapshot_.packets.ignored[1].count = 2;
  EXPECT_THAT(told(),
              ElementsAre("ignored 2 packets with TCP inside a tunnel: name the tunnels to look "
                          "into with --decap, at most four deep"));
  snapshot_.packets.ignored[1].count = 900;
  now_ += 1h;
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(LossWarningsTest, EachKindByItself) {
  snapshot_.packets.dropped = 1;
  EXPECT_THAT(told(), ElementsAre(HasSubstr("dropped 1")));
  snapshot_.totals[Tally::evicted] = 7;
  snapshot_.readers = {{.capacity = 500}, {.capacity = 500}};
  EXPECT_THAT(told(), ElementsAre(HasSubstr("evicted 7 attempts")));
  snapshot_.packets.ignored = {{"not_ip", 3}, {"mailbox_full", 2}};
  EXPECT_THAT(told(), ElementsAre(HasSubstr("lost 2 packets on the way")));
  snapshot_.readers[1].events_lost = 9;
  EXPECT_THAT(told(), ElementsAre(HasSubstr("counted 9 outcomes")));
}

TEST_F(LossWarningsTest, TheOptionsAreNamedAsTheyAre) {
  snapshot_.totals[Tally::evicted] = 1;
  snapshot_.readers = {{.capacity = 500}, {.capacity = 500}};
  EXPECT_THAT(told(), ElementsAre(HasSubstr("--max-sessions (now 1000)")));
}

}  // namespace
}  // namespace tcpeek::engine
