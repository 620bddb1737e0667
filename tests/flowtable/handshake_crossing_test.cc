// Simultaneous open (RFC 9293 section 3.5), at the level of step(). How to
// read the numbers: tests/support/handshake_lines.h.

#include <gtest/gtest.h>

#include "flowtable/handshake.h"
#include "tests/support/handshake_lines.h"

namespace tcpeek::flowtable {
namespace {

using namespace tcp_flag;
using namespace test;

TEST(HandshakeRow, SimultaneousOpen) {
  const Line theirs = down(kSynAck, 0, 1, Event::progressed);
  const Line ours = up(kSynAck, 0, 1, Event::progressed);
  const Line our_last = up(kSynAck, 0, 1, Event::success);
  const Line their_last = down(kSynAck, 0, 1, Event::success);
  expect("both acknowledged", {kCrossing, theirs, our_last});
  expect("in the other order", {kCrossing, ours, their_last});
  expect("by plain ACKs",
         {kCrossing, up(ack, 1, 1, Event::progressed), down(ack, 1, 1, Event::success)});
  expect("then by the initiator", {kCrossing, theirs, up(ack, 1, 1, Event::success)});
  expect("the crossing SYN again", {kCrossing, kCrossing, theirs, kCrossing, our_last});
  expect("the SYN/ACK again",
         {kCrossing, theirs, down(kSynAck, 0, 1, Event::dup_synack), our_last});
  expect("the SYN again", {kCrossing, up(syn, 0, 0, Event::dup_syn), theirs, our_last});
  expect("the crossing SYN with another number takes over",
         {kCrossing, down(syn, 50, 0, Event::progressed), up(kSynAck, 0, 1, Event::does_not_fit),
          up(kSynAck, 0, 51, Event::progressed), down(kSynAck, 50, 1, Event::success)});
  expect("not once the initiator has taken one",
         {kCrossing, ours, down(syn, 50, 0, Event::does_not_fit), their_last});
  expect("the initiator's SYN/ACK must fit",
         {kCrossing, theirs, up(kSynAck, 1, 1, Event::does_not_fit),
          up(kSynAck, 0, 0, Event::does_not_fit), up(kSynAck, 0, 2, Event::does_not_fit)});
  expect("a SYN/ACK from the initiator is odd otherwise", {up(kSynAck, 0, 7, Event::does_not_fit)});
  expect("or the crossing SYN was not captured", {kAnswer, our_last});
}

TEST(HandshakeRow, SimultaneousOpenWithOtherRows) {
  const Line theirs = down(kSynAck, 0, 1, Event::progressed);
  expect("once it has answered, the responder's SYN is an attempt of its own",
         {kCrossing, theirs, down(syn, 77, 0, Event::candidate)});
  expect("a SYN/ACK with another seq: its ISN is acceptable, too",
         {kCrossing, theirs, down(kSynAck, -100, 1, Event::progressed),
          up(ack, 1, 1, Event::success)});
  expect("the responder's data proves completion",
         {kCrossing, theirs, down(ack, 1, 1, Event::success_late).data(1)});
  expect("a bare ACK is not a SYN/ACK", {kCrossing, down(ack, 1, 1, Event::does_not_fit), theirs});
  expect("numbers beyond the handshake's are a late proof",
         {kCrossing, theirs, up(ack, 500, 700, Event::success_late)});
}

}  // namespace
}  // namespace tcpeek::flowtable
