// A queue that is listened to now and then: nothing old is told, nothing is counted as lost that nobody wants.
#include "engine/pipeline/outcome_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/engine/pipeline/counting_rig.h"

namespace tcpeek::engine {
namespace {

using flowtable::test::Ends;
using flowtable::test::v4;
using flowtable::test::v6;
using test::CountingRig;

const Ends kIn{v4(1, 40000), v4(2, 80)};
const Ends kOut{v4(2, 40001), v4(1, 443)};
const Ends kIn6{v6(1, 40002), v6(2, 80)};

void succeed(CountingRig& rig, const Ends& ends) {
  rig.see(ends.syn(10));
  rig.see(ends.synack(20, 11).at(1000));
  rig.see(ends.ack(11, 21).at(1500));
}

TEST(OutcomeQueueTest, ListenersComeAndGo) {
  CountingRig rig({}, false);
  succeed(rig, kIn);
  rig.queue.listen();
  EXPECT_TRUE(rig.told().empty()) << "what ended before is not told";
  succeed(rig, kIn6);
  EXPECT_EQ(rig.told().size(), 1U);
  rig.queue.ignore();
  succeed(rig, kOut);
  EXPECT_TRUE(rig.told().empty());
  rig.queue.release();
  EXPECT_TRUE(rig.told().empty());
  EXPECT_EQ(rig.queue.size(), 0U);
  rig.queue.listen();
  rig.queue.release();
  EXPECT_TRUE(rig.queue.listening()) << "what is listened to is not given back";
  EXPECT_EQ(rig.counts().events_lost, 0U);
}

TEST(OutcomeQueueTest, WhatIsLeftInAQueueIsForgotten) {
  CountingRig rig;
  succeed(rig, kIn);
  rig.queue.ignore();
  rig.queue.listen();
  EXPECT_TRUE(rig.told().empty());
}

// As the reactor does it while a reader runs: the memory goes only when the reader is between two rounds.
TEST(OutcomeQueueTest, SwitchedWhileAReaderPuts) {
  OutcomeQueue queue(false);
  std::atomic<std::uint64_t> rounds{0};
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      for (int i = 0; i < 100; ++i) {
        if (queue.listening()) static_cast<void>(queue.push(OutcomeRecord{}));
      }
      rounds.fetch_add(1, std::memory_order_release);
    }
  });
  std::uint64_t taken = 0;
  for (int time = 0; time < 50; ++time) {
    queue.listen();
    OutcomeRecord record;
    for (const std::uint64_t before = taken; taken < before + 100;) taken += queue.pop(record);
    queue.ignore();
    const std::uint64_t begun = rounds.load(std::memory_order_acquire);
    while (rounds.load(std::memory_order_acquire) < begun + 2) std::this_thread::yield();
    queue.release();
    EXPECT_FALSE(queue.pop(record));
  }
  done = true;
  reader.join();
  EXPECT_GE(taken, 5000U);
}

}  // namespace
}  // namespace tcpeek::engine
