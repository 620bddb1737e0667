// What tcpeek(8) says under OUTCOMES, one test for each rule, at the level of step(): what one attempt makes of the
// segments that follow its SYN. How to read the numbers: tests/support/handshake_lines.h.

#include "flowtable/handshake.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "flowtable/segment.h"
#include "tests/support/handshake_lines.h"

namespace tcpeek::flowtable {
namespace {

using namespace tcp_flag;
using namespace test;

TEST(HandshakeRow, SynWhateverElseIsSetOpens) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    Segment s;
    s.flags = static_cast<std::uint8_t>(flags);
    EXPECT_EQ(s.opens(), (flags & 0x17) == 0x02) << flags;
    s.kind = SegmentKind::unreachable;
    EXPECT_FALSE(s.opens());
  }
  const Handshake h = begun({7, 0}, 10);
  EXPECT_EQ(h.isn, 7U);
  EXPECT_EQ(h.syn_payload, 10U);
  EXPECT_EQ(h.phase, Phase::syn_sent);
  EXPECT_EQ(h.last_us(), 0);
}

TEST(HandshakeRow, SameSynAgain) {
  const auto again = [](Event e) { return up(syn, 0, 0, e); };
  expect("a retransmission", {again(Event::dup_syn).at(1'000'000)});
  expect("ECN gave up",
         {up(syn | 0xc0, 0, 0, Event::dup_syn), up(syn | 0x28, 0, 0, Event::dup_syn)});
  expect("the window's last microsecond", {again(Event::syn_copy).at(2000)});
  expect("one more", {again(Event::dup_syn).at(2001)});
  expect("measured from the one before",
         {again(Event::syn_copy).at(1500), again(Event::syn_copy).at(3000)});
  expect("also from a duplicate", {again(Event::dup_syn).at(5000), again(Event::syn_copy).at(7000),
                                   again(Event::dup_syn).at(9001)});
  expect("captured out of order", {again(Event::dup_syn).at(9000), again(Event::syn_copy).at(8990),
                                   again(Event::syn_copy).at(7000)});
  expect("the clock stepped back",
         {again(Event::dup_syn).at(9000), again(Event::dup_syn).at(6999),
          again(Event::dup_syn).at(-5'000'000), again(Event::syn_copy).at(-4'999'000)});
  expect("another sending, however soon",
         {again(Event::dup_syn).at(9000), again(Event::dup_syn).at(9001).sent_anew(1),
          again(Event::syn_copy).at(9002).sent_anew(1)});
  expect("another interface", {again(Event::other_interface).on(2)});
  expect("which is no one before it",
         {again(Event::other_interface).on(2).at(1500), again(Event::dup_syn).at(3000)});
  expect("after the answer", {kAnswer, again(Event::dup_syn)});
  run("window off", 0, std::vector{again(Event::dup_syn).at(0), again(Event::dup_syn).at(1)}, 0);
}

TEST(HandshakeRow, SynWithAnotherIsnWhilePending) {
  expect("below", {up(syn, -1, 0, Event::candidate)});
  expect("above", {up(syn, 1, 0, Event::candidate)});
  expect("at once", {up(syn, 1, 0, Event::candidate).at(0)});
  expect("on another interface", {up(syn, 1, 0, Event::candidate).on(2)});
  expect("answered", {kAnswer, up(syn, 77, 0, Event::candidate)});
  expect("crossed", {kCrossing, up(syn, 77, 0, Event::candidate)});
}

TEST(HandshakeRow, SynAckFromTheResponder) {
  expect("acknowledges the SYN", {kAnswer});
  expect("ack = ISN", {down(kSynAck, 0, 0, Event::does_not_fit)});
  expect("ack beyond the SYN", {down(kSynAck, 0, 2, Event::does_not_fit)});
  expect("ack far away", {down(kSynAck, 0, kLateProof, Event::does_not_fit)});
  expect("with ECN flags", {down(kSynAck | 0xc0, 0, 1, Event::progressed)});
  expect_tfo("none of the data", {kAnswer});
  expect_tfo("some of it", {down(kSynAck, 0, 5, Event::progressed)});
  expect_tfo("all of it", {down(kSynAck, 0, 11, Event::progressed)});
  expect_tfo("more", {down(kSynAck, 0, 12, Event::does_not_fit)});
  expect("data on a repeated SYN only",
         {up(syn, 0, 0, Event::dup_syn).data(10), down(kSynAck, 0, 11, Event::progressed)});
  expect_tfo("a repetition without the data",
             {up(syn, 0, 0, Event::dup_syn), down(kSynAck, 0, 11, Event::progressed)});
}

TEST(HandshakeRow, SameSynAckAgain) {
  const auto again = [](Event e) { return down(kSynAck, 0, 1, e); };
  expect("a retransmission", {kAnswer.at(5000), again(Event::dup_synack).at(1'005'000)});
  expect("the window's last microsecond", {kAnswer.at(5000), again(Event::synack_copy).at(7000)});
  expect("one more", {kAnswer.at(5000), again(Event::dup_synack).at(7001)});
  expect("captured out of order", {kAnswer.at(5000), again(Event::synack_copy).at(4990)});
  expect("another sending, however soon",
         {kAnswer.at(5000), again(Event::dup_synack).at(5001).sent_anew(1)});
  expect("the answer to a repeated SYN, however soon",
         {kAnswer.at(5000), up(syn, 0, 0, Event::dup_syn).at(5900),
          again(Event::dup_synack).at(6000), again(Event::synack_copy).at(6001)});
  expect(
      "a copy of the SYN asks for no other answer",
      {up(syn, 0, 0, Event::syn_copy).at(1), kAnswer.at(5000), again(Event::synack_copy).at(5900)});
  expect("the clock stepped back", {kAnswer.at(5'000'000), again(Event::dup_synack).at(4'000'000),
                                    again(Event::synack_copy).at(4'000'001)});
  expect("another interface", {kAnswer, again(Event::other_interface).on(2)});
  expect("first seen elsewhere than the SYN",
         {kAnswer.on(2), again(Event::dup_synack).on(2), again(Event::other_interface).on(1)});
  expect("not fitting", {kAnswer, down(kSynAck, 0, 2, Event::does_not_fit)});
  expect_tfo("acknowledging less than before",
             {down(kSynAck, 0, 11, Event::progressed), again(Event::dup_synack)});
  run("window off", 0, std::vector{kAnswer.at(1), again(Event::dup_synack).at(1)}, 0);
}

TEST(HandshakeRow, SynAckWithAnotherSeq) {
  const Line other = down(kSynAck, 100, 1, Event::progressed);
  expect("is not a duplicate", {kAnswer, other, down(kSynAck, 100, 1, Event::dup_synack)});
  expect("the first is acceptable", {kAnswer, other, up(ack, 1, 1, Event::success)});
  expect("and the other, too", {kAnswer, other, up(ack, 1, 101, Event::success)});
  expect("the first again", {kAnswer, other, down(kSynAck, 0, 1, Event::dup_synack)});
  expect("a third: the first and the latest",
         {kAnswer, down(kSynAck, -100, 1, Event::progressed),
          down(kSynAck, -200, 1, Event::progressed), down(rst, -99, 0, Event::blind_rst),
          down(rst, -199, 0, Event::reset)});
  expect("the first is kept",
         {kAnswer, down(kSynAck, -100, 1, Event::progressed),
          down(kSynAck, -200, 1, Event::progressed), down(rst, 1, 0, Event::reset)});
  expect("another one seen on another interface does not move where repetitions count",
         {kAnswer, other.on(2), down(kSynAck, 0, 1, Event::dup_synack),
          down(kSynAck, 100, 1, Event::other_interface).on(2)});
}

TEST(HandshakeRow, SynFromTheResponderOnceAnswered) {
  expect("another number", {kAnswer, down(syn, 77, 0, Event::candidate)});
  expect("even the same", {kAnswer, down(syn, 0, 0, Event::candidate)});
}

TEST(HandshakeRow, SegmentFromTheInitiator) {
  const auto one = [](const std::string& what, const Line& line) { expect(what, {kAnswer, line}); };
  one("the completing ACK", up(ack, 1, 1, Event::success));
  one("with data", up(ack, 1, 1, Event::success).data(500));
  one("with FIN", up(ack | fin, 1, 1, Event::success));
  one("with everything else", up(ack | 0xe8, 1, 1, Event::success));
  one("on another interface", up(ack, 1, 1, Event::success).on(3));
  one("a later one: data sent", up(ack, 2, 1, Event::success_late));
  one("a later one: data received", up(ack, 1, 2, Event::success_late));
  one("seq = ISN", up(ack, 0, 1, Event::does_not_fit));
  one("ack = responder's ISN", up(ack, 1, 0, Event::does_not_fit));
  one("seq just within the bound", up(ack, kLateProof, 1, Event::success_late));
  one("seq just beyond", up(ack, kLateProof + 1, 1, Event::does_not_fit));
  one("ack just within the bound", up(ack, 1, kLateProof, Event::success_late));
  one("ack just beyond", up(ack, 1, kLateProof + 1, Event::does_not_fit));
  one("no ACK", up(0x08, 1, 1, Event::does_not_fit));
  one("FIN without ACK", up(fin, 1, 1, Event::does_not_fit));
  one("a SYN/ACK with another seq", up(kSynAck, 1, 1, Event::does_not_fit));
  expect_tfo("the SYN's data was not taken", {kAnswer, up(ack, 1, 1, Event::success)});
  expect_tfo("the SYN's data was taken", {kAnswer, up(ack, 11, 1, Event::success)});
  expect_tfo("and more sent", {kAnswer, up(ack, 12, 1, Event::success_late)});
}

TEST(HandshakeRow, SegmentFromTheResponderThatProvesCompletion) {
  const auto one = [](const std::string& what, const Line& line) { expect(what, {kAnswer, line}); };
  one("a bare repeat of ISN + 1", down(ack, 1, 1, Event::proves_nothing));
  one("acknowledges data", down(ack, 1, 2, Event::success_late));
  one("carries data", down(ack, 1, 1, Event::success_late).data(1));
  one("carries FIN", down(ack | fin, 1, 1, Event::success_late));
  one("starts past ISN + 1", down(ack, 2, 1, Event::success_late));
  one("seq = ISN", down(ack, 0, 2, Event::does_not_fit));
  one("ack = ISN", down(ack, 2, 0, Event::does_not_fit));
  one("seq just within the bound", down(ack, kLateProof, 1, Event::success_late));
  one("seq just beyond", down(ack, kLateProof + 1, 1, Event::does_not_fit));
  one("ack just within the bound", down(ack, 1, kLateProof, Event::success_late));
  one("ack just beyond", down(ack, 1, kLateProof + 1, Event::does_not_fit));
  one("no ACK", down(fin, 1, 1, Event::does_not_fit).data(1));
  expect("before the answer was seen", {down(ack, 2, 2, Event::does_not_fit).data(1)});
  const auto tfo = [](const std::string& what, const Line& line) {
    expect_tfo(what, {down(kSynAck, 0, 11, Event::progressed), line});
  };
  tfo("may answer the SYN's data", down(ack, 1, 11, Event::proves_nothing).data(100));
  tfo("and go on", down(ack | fin, 101, 11, Event::proves_nothing).data(100));
  tfo("acknowledges more than that", down(ack, 1, 12, Event::success_late));
  const Line other = down(kSynAck, 100, 1, Event::progressed);
  expect("a bare repeat of either ISN + 1",
         {kAnswer, other, down(ack, 1, 1, Event::proves_nothing),
          down(ack, 101, 1, Event::proves_nothing), down(ack, 102, 1, Event::success_late)});
}

TEST(HandshakeRow, SynAckNeverCaptured) {
  expect("seq = ISN + 1", {up(ack, 1, 12'345, Event::success_half_seen)});
  expect("with data", {up(ack, 1, 0, Event::success_half_seen).data(9)});
  expect("seq = ISN", {up(ack, 0, 1, Event::does_not_fit)});
  expect("seq = ISN + 2", {up(ack, 2, 1, Event::does_not_fit)});
  expect("no ACK", {up(fin, 1, 1, Event::does_not_fit)});
  expect_tfo("the SYN's data was taken", {up(ack, 11, 1, Event::success_half_seen)});
  expect_tfo("or not", {up(ack, 1, 1, Event::success_half_seen)});
  expect_tfo("nothing between", {up(ack, 5, 1, Event::does_not_fit)});
}

TEST(HandshakeRow, RstFromTheResponder) {
  expect("answers the SYN", {down(kRstAck, 0, 1, Event::refused)});
  expect("whatever its seq", {down(kRstAck, 777, 1, Event::refused)});
  expect("ack = ISN", {down(kRstAck, 0, 0, Event::blind_rst)});
  expect("ack = ISN + 2", {down(kRstAck, 0, 2, Event::blind_rst)});
  expect("ack without the flag", {down(rst, 0, 1, Event::blind_rst)});
  expect_tfo("with the data", {down(kRstAck, 0, 11, Event::refused)});
  expect_tfo("and beyond", {down(kRstAck, 0, 12, Event::blind_rst)});
  expect("after the answer", {kAnswer, down(rst, 1, 0, Event::reset)});
  expect("seq = ISN", {kAnswer, down(rst, 0, 0, Event::blind_rst)});
  expect("seq = ISN + 2", {kAnswer, down(rst, 2, 0, Event::blind_rst)});
  expect("ack fits, seq does not", {kAnswer, down(kRstAck, -99, 1, Event::reset)});
  expect("seq fits, ack does not", {kAnswer, down(kRstAck, 1, -99, Event::reset)});
  expect("crossed, and acknowledged",
         {kCrossing, down(kSynAck, 0, 1, Event::progressed), down(rst, 1, 0, Event::reset)});
  expect("SYN is no help", {down(kRstAck | syn, 0, 1, Event::refused)});
  // No SYN/ACK was seen: a responder's ISN of 0 must not be taken for known.
  Handshake h = begun({1000, 0}, 0);
  EXPECT_EQ(step(h, step_of(down(rst, 1, 0, Event::blind_rst), {1000, 0}, 5), kWindowUs),
            Event::blind_rst);
}

TEST(HandshakeRow, RstFromTheInitiator) {
  expect("seq = ISN + 1", {up(rst, 1, 0, Event::aborted)});
  expect("of a host that does not know it", {kAnswer, up(rst, 1, 0, Event::half_open)});
  expect("of a connected socket", {kAnswer, up(kRstAck, 1, 1, Event::probe)});
  expect("acknowledging something else", {kAnswer, up(kRstAck, 1, -99, Event::aborted)});
  expect("before the answer", {up(kRstAck, 1, 0, Event::aborted)});
  expect("seq = ISN", {up(rst, 0, 0, Event::blind_rst)});
  expect("seq = ISN + 2", {up(rst, 2, 0, Event::blind_rst)});
  expect_tfo("behind the data", {up(rst, 11, 0, Event::aborted)});
  expect_tfo("and beyond", {up(rst, 12, 0, Event::blind_rst)});
  expect("a challenge ACK, its RST, and the same SYN succeeds",
         {down(ack, 5000, -70'000, Event::does_not_fit), up(rst, -70'000, 0, Event::blind_rst),
          up(syn, 0, 0, Event::dup_syn), kAnswer, up(ack, 1, 1, Event::success)});
}

TEST(HandshakeRow, IcmpError) {
  const Line error = quoted(true, 0, Event::error_noted);
  expect("quotes the SYN", {error});
  expect("even after the answer", {kAnswer, error});
  expect("crossed", {kCrossing, error});
  expect("quotes another number",
         {quoted(true, 1, Event::foreign_icmp), quoted(true, -1, Event::foreign_icmp)});
  expect("quotes the responder's SYN/ACK",
         {quoted(false, 0, Event::foreign_icmp), kAnswer,
          quoted(false, 0, Event::icmp_about_synack), quoted(false, 1, Event::foreign_icmp)});
  expect("of a responder who only crossed", {kCrossing, quoted(false, 0, Event::foreign_icmp)});
  expect("it came before the RST", {error, down(kRstAck, 0, 1, Event::unreachable)});
  expect("and before the abort", {error, up(rst, 1, 0, Event::unreachable)});
  expect("a repeated SYN takes it back",
         {error, up(syn, 0, 0, Event::dup_syn), down(kRstAck, 0, 1, Event::refused)});
  expect("a copy of the SYN does not", {error.at(500), up(syn, 0, 0, Event::syn_copy).at(600),
                                        down(kRstAck, 0, 1, Event::unreachable)});
  expect("success all the same", {error, kAnswer, up(ack, 1, 1, Event::success)});
  const Line other = down(kSynAck, 100, 1, Event::progressed);
  expect("two responders answered", {kAnswer, other, quoted(true, 0, Event::foreign_icmp)});
  expect("and answer after it", {error, kAnswer, other, up(rst, 1, 0, Event::half_open)});
}

TEST(HandshakeRow, NoSegmentForTheTimeout) {
  Handshake h = begun({7, 0}, 0);
  expire(h);
  EXPECT_EQ(h.phase, Phase::failed_unanswered);
  h = begun({7, 0}, 0);
  step(h, step_of(kAnswer, {7, 0}, 5), kWindowUs);
  expire(h);
  EXPECT_EQ(h.phase, Phase::failed);
  h = begun({7, 0}, 0);
  step(h, step_of(up(syn, 0, 0, {}), {7, 0}, 50'000), kWindowUs);
  EXPECT_EQ(h.last_us(), 50'000);
  step(h, step_of(kAnswer, {7, 0}, 40'000), kWindowUs);
  EXPECT_EQ(h.last_us(), 50'000) << "a packet out of order takes no time back";
  step(h, step_of(up(syn, 0, 0, {}).on(2), {7, 0}, 90'000), kWindowUs);
  step(h, step_of(down(ack, 1, 1, {}), {7, 0}, 90'000), kWindowUs);
  EXPECT_EQ(h.last_us(), 50'000) << "what is ignored gives no more time";
  h = begun({7, 0}, 0);
  step(h, step_of(kCrossing, {7, 0}, 90'000), kWindowUs);
  EXPECT_EQ(h.last_us(), 0) << "nor does what anybody can send";
}

TEST(HandshakeRow, SegmentThatFitsNothing) {
  for (const bool from_initiator : {true, false}) {
    for (const unsigned flags : {0U, 0x08U, 0x01U, 0x03U, 0x13U, 0x29U, 0xe8U}) {
      const Line junk{.up = from_initiator,
                      .flags = static_cast<std::uint8_t>(flags),
                      .seq = 1,
                      .ack = 1,
                      .expected = Event::does_not_fit};
      expect("junk flags " + std::to_string(flags), {junk, kAnswer, junk});
    }
  }
}

TEST(HandshakeRow, AfterSuccess) {
  const auto after = [](const std::string& what, const Line& line) {
    expect(what, {kAnswer.at(5000), up(ack, 1, 1, Event::success).at(6000), line});
  };
  after("the SYN", up(syn, 0, 0, Event::late_syn).at(9000));
  after("a copy of the SYN", up(syn, 0, 0, Event::syn_copy).at(2000));
  after("a SYN with another ISN", up(syn, 1, 0, Event::reopened));
  after("a SYN the other way", down(syn, 9, 0, Event::reopened));
  after("the SYN/ACK", down(kSynAck, 0, 1, Event::late_synack).at(7001));
  after("a copy of the SYN/ACK", down(kSynAck, 0, 1, Event::synack_copy).at(7000));
  after("the SYN/ACK elsewhere", down(kSynAck, 0, 1, Event::other_interface).on(2));
  after("a SYN/ACK with a wrong ack", down(kSynAck, 0, 2, Event::after_outcome));
  after("a SYN/ACK with another seq", down(kSynAck, 4, 1, Event::after_outcome));
  after("a SYN/ACK from the initiator", up(kSynAck, 0, 1, Event::after_outcome));
  after("data", up(ack, 1, 1, Event::after_outcome).data(5));
  after("RST", down(kRstAck, 1, 1, Event::after_outcome));
  after("RST of the initiator", up(rst, 1, 1, Event::after_outcome));
  after("ICMP", quoted(true, 0, Event::after_outcome));
  after("junk", up(0, 0, 0, Event::after_outcome));
  after("SYN and FIN", up(syn | fin, 1, 0, Event::after_outcome));
  expect("half-seen",
         {up(ack, 1, 1, Event::success_half_seen), down(kSynAck, 0, 1, Event::after_outcome),
          down(syn, 0, 0, Event::reopened)});
}

TEST(HandshakeRow, AfterFailure) {
  const std::vector<Line> failures{down(kRstAck, 0, 1, Event::refused),
                                   up(rst, 1, 0, Event::aborted)};
  for (const Line& failure : failures) {
    expect("the SYN", {failure, up(syn, 0, 0, Event::late_syn)});
    expect("another SYN", {failure, up(syn, 1, 0, Event::reopened)});
    expect("a SYN the other way", {failure, down(syn, 0, 0, Event::reopened)});
    expect("a late answer", {failure, down(kSynAck, 0, 1, Event::after_outcome)});
    expect("an answer to another try",
           {failure, up(syn, 0, 0, Event::late_syn), down(kSynAck, 0, 2, Event::after_outcome),
            down(kSynAck, 0, 1, Event::answered_again)});
    expect("a copy of the SYN is no other try",
           {failure.at(500), up(syn, 0, 0, Event::syn_copy).at(1000),
            down(kSynAck, 0, 1, Event::after_outcome)});
    Line again = failure;
    again.expected = Event::after_outcome;
    expect("a second failure", {failure, again});
  }
  expect("the SYN that crossed",
         {kCrossing, down(kRstAck, 1, 1, Event::refused), down(syn, 0, 0, Event::late_syn)});
}

TEST(Handshake, CountsSaturate) {
  constexpr Isns kBoth{7, 9};
  Handshake h = begun(kBoth, 0);
  step(h, step_of(kAnswer, kBoth, 5), 0);
  for (int i = 0; i < 300; ++i) {
    step(h, step_of(up(syn, 0, 0, {}), kBoth, 10), 0);
    step(h, step_of(down(kSynAck, 0, 1, {}), kBoth, 10), 0);
  }
  EXPECT_EQ(h.dup_syns, 255U);
  EXPECT_EQ(h.dup_synacks, 255U);
}

// What must hold of any segment in any state that segments can lead to.
TEST(Handshake, InvariantsHoldOnRandomWalks) {
  std::mt19937 random(20'120'702);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  Handshake h = begun({0, 0}, 0);
  for (int i = 0; i < 400'000; ++i) {
    if (below(40) == 0) h = begun({0, 0}, below(2) == 0 ? 0 : 3);
    Line line{.up = below(2) == 0, .seq = below(4), .ack = below(4)};
    constexpr std::array<std::uint8_t, 7> kFlags{syn, kSynAck, kSynAck, ack, ack, rst, kRstAck};
    line.flags = below(9) == 0 ? static_cast<std::uint8_t>(below(256)) : kFlags[below(7)];
    line.payload = static_cast<std::uint16_t>(below(2) * 3);
    line.interface = static_cast<std::uint8_t>(below(2));
    line.print = static_cast<std::uint8_t>(below(2));
    if (below(8) == 0) line.flags = static_cast<std::uint8_t>(line.flags | below(8) << 5);
    if (below(50) == 0) line.kind = SegmentKind::unreachable;
    const Handshake before = h;
    const Step s = step_of(line, {0, 0}, static_cast<std::uint32_t>(i % 7000));
    const Event event = step(h, s, kWindowUs);
    Handshake same = before;
    ASSERT_EQ(step(same, s, kWindowUs), event);
    ASSERT_EQ(std::memcmp(&same, &h, sizeof h), 0) << "not a function of its arguments";
    if (is_ignored(event)) {
      Handshake counted = h;
      counted.misfits = before.misfits;
      counted.answer_payload = before.answer_payload;
      counted.data_acknowledged = before.data_acknowledged;
      ASSERT_EQ(std::memcmp(&before, &counted, sizeof h), 0) << "ignored, and yet changed";
    }
    ASSERT_EQ(is_outcome(event), is_pending(before.phase) && !is_pending(h.phase));
    ASSERT_FALSE(!is_pending(before.phase) && h.phase != before.phase) << "an outcome is final";
    ASSERT_EQ(h.isn, before.isn);
  }
}

}  // namespace
}  // namespace tcpeek::flowtable
