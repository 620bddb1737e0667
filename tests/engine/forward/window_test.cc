// Acknowledgements in any order, and where to resume from after them.
#include "engine/forward/window.h"

#include <gtest/gtest.h>

namespace tcpeek::forward {
namespace {

Message message(std::uint64_t seq) {
  return {"s", "id" + std::to_string(seq), "payload", {"boot", seq}};
}

Progress at(std::uint64_t seq, std::uint64_t stored_after) {
  return {{"boot", seq}, stored_after};
}

class WindowTest : public ::testing::Test {
 protected:
  void add(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t seq = from; seq <= to; ++seq) window.add(message(seq));
  }
  std::uint64_t send(int count) {
    std::uint64_t place = 0;
    for (int i = 0; i < count; ++i) place = window.send_next()->place;
    return place;
  }

  WindowTest() { window.release_after({"boot", 0}); }

  Window window{{.messages = 4, .bytes = 100}};
};

TEST_F(WindowTest, OnlyWhatIsAcknowledgedWithoutHoleMovesIt) {
  add(1, 3);
  EXPECT_EQ(send(3), 2U);
  EXPECT_TRUE(window.acknowledge(std::uint64_t{2}, 12));
  EXPECT_TRUE(window.acknowledge(std::uint64_t{1}, 11));
  EXPECT_EQ(window.progress(), Progress());
  EXPECT_FALSE(window.acknowledge(std::uint64_t{1}, 11)) << "a second time";
  EXPECT_TRUE(window.acknowledge(std::uint64_t{0}, 10));
  EXPECT_EQ(window.progress(), at(3, 12));
  EXPECT_TRUE(window.empty());
  EXPECT_FALSE(window.acknowledge(std::uint64_t{0}, 10));
  EXPECT_FALSE(window.acknowledge(std::uint64_t{99}, 10));
}

TEST_F(WindowTest, WhatFollowsWasNotStoredBeforeItWasSent) {
  add(1, 1);
  send(1);
  add(2, 2);
  send(1);  // while nothing was known to be stored
  window.acknowledge(std::uint64_t{0}, 500);
  EXPECT_EQ(window.progress(), at(1, 0)) << "the second may have any sequence";
  window.acknowledge(std::uint64_t{1}, 400);
  EXPECT_EQ(window.progress(), at(2, 500));
}

TEST_F(WindowTest, SentAgainAfterRewind) {
  add(1, 3);
  send(3);
  EXPECT_EQ(window.in_flight(), 3U);
  window.acknowledge(std::uint64_t{1}, 7);
  window.rewind();
  EXPECT_EQ(window.in_flight(), 0U);
  EXPECT_TRUE(window.acknowledge("id1", 5)) << "read back";
  EXPECT_FALSE(window.acknowledge("id9", 5));
  const auto next = window.send_next();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->message.id, "id3");
  EXPECT_FALSE(window.send_next());
  EXPECT_EQ(window.progress(), at(2, 0));
}

TEST_F(WindowTest, AnotherMessageInItsPlace) {
  add(1, 3);
  send(3);
  add(4, 4);
  send(1);
  ASSERT_TRUE(window.acknowledge(std::uint64_t{2}, 12));
  ASSERT_NE(window.waiting(1), nullptr);
  EXPECT_EQ(window.waiting(1)->id, "id2");
  EXPECT_EQ(window.waiting(2), nullptr);
  EXPECT_EQ(window.waiting(4), nullptr);
  window.replace(1, {"s", "gap", "of another size than before", {}});
  EXPECT_EQ(window.in_flight(), 2U);
  const auto next = window.send_next();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->place, 1U);
  EXPECT_EQ(next->message.id, "gap");
  EXPECT_FALSE(window.send_next()) << "the others are on their way";
  EXPECT_FALSE(window.acknowledge("id2", 13));
  EXPECT_TRUE(window.acknowledge("gap", 13));
  EXPECT_TRUE(window.acknowledge("id1", 11));
  EXPECT_EQ(window.progress(), at(3, 0)) << "the fourth was sent when nothing was known";
}

TEST_F(WindowTest, WhatNeedsNoMessage) {
  window.pass({"boot", 5});
  EXPECT_EQ(window.progress(), at(5, 0));
  add(6, 6);
  window.pass({"boot", 9});
  EXPECT_EQ(window.progress(), at(5, 0)) << "not before what is on its way";
  send(1);
  window.acknowledge(std::uint64_t{0}, 3);
  EXPECT_EQ(window.progress(), at(9, 3));
}

TEST_F(WindowTest, WhatAnEarlierRunHasSentMayLieBehind) {
  Window resumed({.messages = 4, .bytes = 100}, at(1, 7));
  resumed.add(message(2));
  ASSERT_TRUE(resumed.send_next());
  resumed.acknowledge(std::uint64_t{0}, 12);
  EXPECT_EQ(resumed.progress(), at(2, 7)) << "the third may be at 8 to 11";
  resumed.release_after({"boot", 3});
  resumed.pass({"boot", 3});
  EXPECT_EQ(resumed.progress(), at(3, 12));
}

TEST_F(WindowTest, AnotherStreamBeginsWhereItWasLookedAt) {
  Window resumed({.messages = 4, .bytes = 100}, at(1, 700));
  resumed.add(message(2));
  ASSERT_TRUE(resumed.send_next());
  resumed.rewind();
  resumed.restart_sequences(40);
  EXPECT_EQ(resumed.progress(), at(1, 40));
  ASSERT_TRUE(resumed.send_next());
  EXPECT_EQ(resumed.stored_after(), 40U);
  resumed.acknowledge(std::uint64_t{0}, 45);
  EXPECT_EQ(resumed.progress(), at(2, 40)) << "the third may be at 41 to 44";
}

TEST_F(WindowTest, TheSequenceIsThatOfWhenItWasReached) {
  add(1, 1);
  send(1);
  window.acknowledge(std::uint64_t{0}, 5);
  window.add({"s", "later", "p", {"boot", 1}});  // of an event after the first
  send(1);
  window.acknowledge(std::uint64_t{1}, 6);
  window.pass({"boot", 1});
  EXPECT_EQ(window.progress(), at(1, 5));
}

TEST_F(WindowTest, Bounds) {
  add(1, 3);
  EXPECT_FALSE(window.is_full());
  add(4, 4);
  EXPECT_TRUE(window.is_full());
  Window bytes({.messages = 100, .bytes = 10});
  bytes.add(message(1));
  EXPECT_FALSE(bytes.is_full());
  bytes.add(message(2));
  EXPECT_TRUE(bytes.is_full());
}

}  // namespace
}  // namespace tcpeek::forward
