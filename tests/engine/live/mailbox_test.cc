// Mail between readers: bounded, in order for each sender, none lost without a refusal.
#include "engine/live/mailbox.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <list>
#include <thread>
#include <vector>

namespace tcpeek::engine {
namespace {

using flowtable::Segment;

constexpr std::size_t kEach = Mailbox::capacity_per_sender(1);

Segment segment_of(std::uint32_t sender, std::uint32_t number) {
  Segment s;
  s.interface = sender;
  s.sequence = number;
  s.acknowledgment = ~number;
  return s;
}

// How many segments it takes before it refuses.
std::size_t fill(Mailbox& mailbox, const Mailbox::Sender& sender, std::size_t at_most) {
  std::size_t sent = 0;
  while (sent < at_most && mailbox.send(sender, segment_of(0, static_cast<std::uint32_t>(sent))))
    ++sent;
  return sent;
}

std::size_t empty(Mailbox& mailbox) {
  Segment s;
  std::size_t received = 0;
  while (mailbox.receive(s)) ++received;
  return received;
}

TEST(MailboxTest, NothingInItAtFirst) {
  Mailbox mailbox(2);
  Segment s;
  EXPECT_FALSE(mailbox.receive(s));
  EXPECT_EQ(mailbox.size(), 0U);
}

TEST(MailboxTest, SegmentsArriveWhole) {
  Mailbox mailbox(1);
  const Mailbox::Sender sender = mailbox.add_sender();
  Segment sent = segment_of(7, 0xdeadbeef);
  sent.key.low_address[3] = 9;
  sent.key.high_port = 443;
  sent.time = flowtable::PacketTime(std::chrono::seconds(5));
  sent.flags = 0x12;
  sent.sender = flowtable::Sender::high;
  ASSERT_TRUE(mailbox.send(sender, sent));
  EXPECT_EQ(mailbox.size(), 1U);
  Segment got;
  ASSERT_TRUE(mailbox.receive(got));
  EXPECT_EQ(got.key, sent.key);
  EXPECT_EQ(got.sequence, 0xdeadbeefU);
  EXPECT_EQ(got.interface, 7U);
  EXPECT_EQ(got.time, sent.time);
  EXPECT_EQ(got.flags, 0x12);
  EXPECT_EQ(got.sender, flowtable::Sender::high);
}

TEST(MailboxTest, OneSendersSegmentsKeepTheirOrder) {
  Mailbox mailbox(3);
  const Mailbox::Sender sender = mailbox.add_sender();
  for (std::uint32_t i = 0; i < 1000; ++i) ASSERT_TRUE(mailbox.send(sender, segment_of(0, i)));
  Segment s;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(mailbox.receive(s));
    EXPECT_EQ(s.sequence, i);
  }
}

TEST(MailboxTest, AFullOneRefusesAndKeepsWhatItHas) {
  Mailbox mailbox(1);
  const Mailbox::Sender sender = mailbox.add_sender();
  const std::size_t sent = fill(mailbox, sender, 100 * kEach);
  EXPECT_GE(sent, kEach);
  EXPECT_LT(sent, 100 * kEach) << "no bound";
  EXPECT_FALSE(mailbox.send(sender, segment_of(0, 0)));
  Segment s;
  for (std::uint32_t i = 0; i < sent; ++i) {
    ASSERT_TRUE(mailbox.receive(s));
    ASSERT_EQ(s.sequence, i);
  }
  EXPECT_FALSE(mailbox.receive(s));
}

TEST(MailboxTest, AnEmptiedOneTakesAsMuchAgain) {
  Mailbox mailbox(1);
  const Mailbox::Sender sender = mailbox.add_sender();
  for (int round = 0; round < 5; ++round) {
    const std::size_t sent = fill(mailbox, sender, 100 * kEach);
    EXPECT_GE(sent, kEach) << "round " << round;
    EXPECT_EQ(empty(mailbox), sent);
  }
}

// What it holds at most is what it takes in memory from the start: a machine of many readers has as
// many of these as readers.
TEST(MailboxTest, TheBoundHardlyGrowsWithTheSenders) {
  for (const std::size_t count : {1U, 2U, 8U, 32U, 64U, 256U}) {
    Mailbox mailbox(count);
    const std::size_t each = Mailbox::capacity_per_sender(count);
    std::list<Mailbox::Sender> senders;
    for (std::size_t i = 0; i < count; ++i) senders.push_back(mailbox.add_sender());
    std::size_t sent = 0;
    for (const Mailbox::Sender& sender : senders) sent += fill(mailbox, sender, 100'000);
    EXPECT_GE(sent, count * each) << count << " senders";
    EXPECT_LE(sent, 2 * count * each) << count << " senders";
    EXPECT_LE(sent, 40'000U) << count << " senders";
  }
}

TEST(MailboxTest, EverySenderHasItsShare) {
  constexpr std::size_t kSenders = 4;
  Mailbox mailbox(kSenders);
  std::list<Mailbox::Sender> senders;
  for (std::size_t i = 0; i < kSenders; ++i) senders.push_back(mailbox.add_sender());
  // The first takes all it gets, again and again; the others come later.
  for (int round = 0; round < 3; ++round) {
    static_cast<void>(fill(mailbox, senders.front(), 100 * kEach));
    static_cast<void>(empty(mailbox));
  }
  const std::size_t share = Mailbox::capacity_per_sender(kSenders);
  for (const Mailbox::Sender& sender : senders) EXPECT_GE(fill(mailbox, sender, share), share);
}

bool notified(const EventFd& event) {
  pollfd polled{event.descriptor(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

TEST(MailboxTest, ASleeperIsWokenOnce) {
  Mailbox mailbox(1);
  const Mailbox::Sender sender = mailbox.add_sender();
  const EventFd wake;
  ASSERT_TRUE(mailbox.send(sender, segment_of(0, 0)));
  EXPECT_FALSE(notified(wake)) << "it was awake";
  EXPECT_FALSE(mailbox.rest(wake)) << "there is mail";
  ASSERT_TRUE(mailbox.send(sender, segment_of(0, 1)));
  EXPECT_FALSE(notified(wake)) << "so it is still awake";

  Segment segment;
  while (mailbox.receive(segment)) {
  }
  ASSERT_TRUE(mailbox.rest(wake));
  ASSERT_TRUE(mailbox.send(sender, segment_of(0, 2)));
  EXPECT_TRUE(notified(wake));
  wake.clear();
  ASSERT_TRUE(mailbox.send(sender, segment_of(0, 3)));
  EXPECT_FALSE(notified(wake)) << "it has been woken";
}

// Whatever the moment: a sleeper is never left with mail.
TEST(MailboxTest, NoMailIsSleptThrough) {
  constexpr std::uint32_t kSegments = 20'000;
  Mailbox mailbox(1);
  const Mailbox::Sender sender = mailbox.add_sender();
  const EventFd wake;
  std::thread other([&] {
    for (std::uint32_t i = 0; i < kSegments; ++i) {
      while (!mailbox.send(sender, segment_of(0, i))) std::this_thread::yield();
    }
  });
  std::uint32_t received = 0;
  for (Segment segment; received < kSegments;) {
    if (mailbox.receive(segment)) {
      ++received;
      continue;
    }
    if (!mailbox.rest(wake)) continue;
    pollfd polled{wake.descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&polled, 1, 60'000), 1) << "slept with " << mailbox.size() << " in the box";
    mailbox.rise();
    wake.clear();
  }
  other.join();
}

TEST(MailboxTest, SeveralSendersAtOnce) {
  constexpr std::uint32_t kSenders = 3;
  constexpr std::uint32_t kSegments = 5'000;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(300);
  Mailbox mailbox(kSenders);
  std::list<Mailbox::Sender> senders;
  for (std::uint32_t i = 0; i < kSenders; ++i) senders.push_back(mailbox.add_sender());
  std::vector<std::jthread> threads;
  auto sender = senders.begin();
  for (std::uint32_t i = 0; i < kSenders; ++i, ++sender) {
    threads.emplace_back([&mailbox, &mine = *sender, i, deadline] {
      for (std::uint32_t n = 0; n < kSegments; ++n) {
        while (!mailbox.send(mine, segment_of(i, n))) {
          if (std::chrono::steady_clock::now() > deadline) return;
          std::this_thread::yield();
        }
      }
    });
  }
  std::vector<std::uint32_t> next(kSenders, 0);
  std::size_t wrong = 0;
  std::size_t received = 0;
  while (received < kSenders * kSegments && std::chrono::steady_clock::now() < deadline) {
    Segment s;
    if (!mailbox.receive(s)) {
      std::this_thread::yield();
      continue;
    }
    ++received;
    wrong += s.interface >= kSenders || s.sequence != next.at(s.interface)++ ||
             s.acknowledgment != ~s.sequence;
  }
  EXPECT_EQ(received, kSenders * kSegments);
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(empty(mailbox), 0U);
}

}  // namespace
}  // namespace tcpeek::engine
