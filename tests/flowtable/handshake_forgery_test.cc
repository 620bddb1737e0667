// What forged segments come to, at the level of step(): the bounds set to those who
// know the 4-tuple and no number. How to read the numbers: tests/support/handshake_lines.h.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "flowtable/handshake.h"
#include "tests/support/handshake_lines.h"

namespace tcpeek::flowtable {
namespace {

using namespace tcp_flag;
using namespace test;

std::vector<Line> repeated(const Line& line, int count) {
  return std::vector<Line>(static_cast<std::size_t>(count), line);
}
std::vector<Line> together(std::vector<Line> a, const std::vector<Line>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A forger's SYN "from the responder", with a number that he knows.
constexpr std::int64_t kForged = 777;
const Line kForgedCrossing = down(syn, kForged, 0, Event::progressed);

TEST(Forgery, ACrossingSynOpensNoWayForItsRst) {
  expect("the RST that fits it", {kForgedCrossing, down(rst, kForged + 1, 0, Event::blind_rst),
                                  down(kRstAck, kForged + 1, 99, Event::blind_rst), kAnswer,
                                  up(ack, 1, 1, Event::success)});
}

TEST(Forgery, ACrossingSynChangesNothingThatIsAccepted) {
  expect("the true answer discards it",
         {kForgedCrossing, kAnswer, down(rst, kForged + 1, 0, Event::blind_rst),
          up(ack, 1, kForged + 1, Event::success_late)});
  expect("the SYN/ACK was not captured",
         {kForgedCrossing, up(ack, 1, 1, Event::success_half_seen)});
  expect("the true one crosses after it",
         {kForgedCrossing, kCrossing, down(kSynAck, 0, 1, Event::progressed),
          up(kSynAck, 0, 1, Event::success)});
}

TEST(Forgery, ASynBeforeTheTrueOneIsFoundOut) {
  const Line answer = up(kSynAck, 500, 1, Event::turned_round);
  expect("the true SYN crosses, and is answered with another number", {kCrossing, answer});
  expect("all of its data", {kCrossing.data(5), up(kSynAck, 500, 6, Event::turned_round)});
  expect("more than that", {kCrossing.data(5), up(kSynAck, 500, 7, Event::does_not_fit)});
  expect(
      "not once either has acknowledged the other",
      {kCrossing, up(kSynAck, 0, 1, Event::progressed), up(kSynAck, 500, 1, Event::does_not_fit)});
  expect("nor where none crossed", {up(kSynAck, 500, 1, Event::does_not_fit)});
}

TEST(Forgery, CrossedSynsNeedExactNumbers) {
  expect("ACK 0 and ACK 2^31",
         {kForgedCrossing, down(ack, kForged + 1, -1000, Event::does_not_fit),
          down(ack, kForged + 1, -1000 + (std::int64_t{1} << 31), Event::does_not_fit),
          up(ack, -1000, kForged + 1, Event::does_not_fit),
          up(ack, -1000 + (std::int64_t{1} << 31), kForged + 1, Event::does_not_fit)});
  const Line both = up(kSynAck, 0, kForged + 1, Event::progressed);
  expect(
      "even once the initiator has acknowledged",
      {kForgedCrossing, both, down(ack, kForged + 1, 2, Event::does_not_fit),
       down(ack, kForged + 2, 1, Event::does_not_fit), down(ack, kForged + 1, 1, Event::success)});
  expect(
      "data on the crossing SYN",
      {kForgedCrossing.data(5), up(kSynAck, 0, kForged + 6, Event::progressed),
       down(ack, kForged + 7, 1, Event::does_not_fit), down(ack, kForged + 6, 1, Event::success)});
  expect("no more than that was on it",
         {kForgedCrossing.data(5), up(kSynAck, 0, kForged + 7, Event::does_not_fit)});
}

TEST(Forgery, AfterFourMisfitsOnlyExactNumbersCount) {
  const Line misfit = up(ack, 1, 1 + kLateProof * 2, Event::does_not_fit);
  const auto after = [&](const std::string& what, const Line& line) {
    expect(what, together(together({kAnswer}, repeated(misfit, 4)), {line}));
  };
  expect("three",
         together(together({kAnswer}, repeated(misfit, 3)), {up(ack, 2, 2, Event::success_late)}));
  after("late proof", up(ack, 2, 2, Event::does_not_fit));
  after("the responder's", down(ack, 2, 2, Event::does_not_fit));
  after("a RST past the handshake", down(kRstAck, 2, 2, Event::blind_rst));
  after("the exact numbers", up(ack, 1, 1, Event::success));
  after("a bare repeat", down(ack, 1, 1, Event::proves_nothing));
  after("the exact RST", down(rst, 1, 0, Event::reset));
  expect("counted before the answer, of either side",
         {up(ack, 7, 7, Event::does_not_fit), down(ack, 7, 7, Event::does_not_fit),
          down(kRstAck, 7, 7, Event::blind_rst), up(kRstAck, 7, 7, Event::blind_rst), kAnswer,
          up(ack, 2, 2, Event::does_not_fit), up(ack, 1, 1, Event::success)});
  expect("what cannot be late proof is no misfit",
         {down(rst, 7, 0, Event::blind_rst), down(kSynAck, 0, 7, Event::does_not_fit),
          up(rst, 7, 0, Event::blind_rst), down(fin, 7, 7, Event::does_not_fit), kAnswer,
          down(ack, 1, 1, Event::proves_nothing), up(ack, 2, 2, Event::success_late)});
}

// 257 ACKs, 2^24 apart, hit the bound for certain; four tries do so at most four times in 256.
TEST(Forgery, SweepingTheNumbersGainsFourTries) {
  unsigned successes = 0;
  for (std::uint32_t isn = 0; isn < 256; ++isn) {
    const Isns isns{isn << 24 | 12'345, 99};
    Handshake h = begun(isns, 0);
    static_cast<void>(step(h, step_of(kAnswer, isns, 5), kWindowUs));
    for (std::uint32_t i = 0; i < 257 && is_pending(h.phase); ++i) {
      Step s = step_of(up(ack, 0, 1, {}), isns, 10);
      s.sequence = i << 24;
      static_cast<void>(step(h, s, kWindowUs));
    }
    successes += is_pending(h.phase) ? 0U : 1U;
  }
  EXPECT_LE(successes, 4U);
}

TEST(RstAsProof, NumbersPastTheHandshake) {
  const auto one = [](const std::string& what, const Line& line) { expect(what, {kAnswer, line}); };
  one("the responder acknowledges data", down(kRstAck, 1, 500, Event::success_late));
  one("and has sent some", down(kRstAck, 500, 500, Event::success_late));
  one("the initiator", up(kRstAck, 500, 1, Event::success_late));
  one("has read some", up(kRstAck, 1, 500, Event::success_late));
  one("the last within the bound", up(kRstAck, kLateProof, kLateProof, Event::success_late));
  one("beyond it", up(kRstAck, kLateProof + 1, 1, Event::blind_rst));
  one("exact on both sides", up(kRstAck, 1, 1, Event::probe));
  one("exact on both sides, the other way", down(kRstAck, 1, 1, Event::reset));
  one("without ACK", up(rst, 2, 2, Event::blind_rst));
  expect("before the answer", {down(kRstAck, 1, 500, Event::blind_rst)});
  const Line taken = down(kSynAck, 0, 11, Event::progressed);
  expect_tfo("data of the SYN is no data", {taken, down(kRstAck, 1, 11, Event::reset)});
  expect_tfo("more is", {taken, down(kRstAck, 1, 12, Event::success_late)});
  expect("data of the SYN/ACK is no data", {kAnswer.data(5), up(kRstAck, 1, 6, Event::probe)});
  expect("more is", {kAnswer.data(5), up(kRstAck, 1, 7, Event::success_late)});
}

TEST(Completion, DataOnTheAnswerAndFastOpen) {
  expect("data of the SYN/ACK acknowledged", {kAnswer.data(5), up(ack, 1, 6, Event::success)});
  expect("more than that", {kAnswer.data(5), up(ack, 1, 7, Event::success_late)});
  const Line taken = down(kSynAck, 0, 11, Event::progressed);
  expect_tfo("the server may speak first", {taken, up(ack, 11, 1 + 65'536, Event::success)});
  expect_tfo("so much", {taken, up(ack, 11, 2 + 65'536, Event::success_late)});
  expect_tfo("not if the data was not taken", {kAnswer, up(ack, 11, 2, Event::success_late)});
}

TEST(Completion, AnAnswerThatWouldHaveBeenCaptured) {
  constexpr Isns kBoth{7, 9};
  Handshake h = begun(kBoth, 0);
  Step s = step_of(up(ack, 1, 1, {}), kBoth, 10);
  s.synack_may_be_unseen = false;
  EXPECT_EQ(step(h, s, kWindowUs), Event::unanswered_ack);
  EXPECT_EQ(h.phase, Phase::syn_sent);
  EXPECT_EQ(h.misfits, 0U);
  s.sequence += 5;
  EXPECT_EQ(step(h, s, kWindowUs), Event::does_not_fit);
  EXPECT_EQ(step(h, step_of(kAnswer, kBoth, 20), kWindowUs), Event::progressed);
  EXPECT_EQ(step(h, step_of(up(ack, 1, 1, {}), kBoth, 30), kWindowUs), Event::success);
}

TEST(SelfConnect, TheSynAckThatAcknowledgesItself) {
  constexpr Isns kSame{7, 7};
  Handshake h = begun(kSame, 0);
  const auto see = [&](std::int64_t seq, std::int64_t ack, bool ends_are_one) {
    Step s = step_of(up(kSynAck, seq, ack, {}), kSame, 5);
    s.ends_are_one = ends_are_one;
    return step(h, s, kWindowUs);
  };
  EXPECT_EQ(see(0, 2, true), Event::does_not_fit);
  EXPECT_EQ(see(1, 1, true), Event::does_not_fit);
  EXPECT_EQ(see(0, 1, false), Event::does_not_fit);
  EXPECT_EQ(see(0, 1, true), Event::success);
  EXPECT_EQ(h.phase, Phase::succeeded) << "not half-seen";
}

}  // namespace
}  // namespace tcpeek::flowtable
