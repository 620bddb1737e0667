// Every object is owned by exactly one side, whatever the order of offers and pick-ups.
#include "engine/base/handover.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace tcpeek::engine {
namespace {

// Notices when it is used after its end, or not ended at all.
class Thing {
 public:
  Thing(int number, int& alive) : numbers_(4, number), alive_(alive) { ++alive_; }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;
  ~Thing() { --alive_; }

  // -1 if it is not whole.
  [[nodiscard]] int number() const {
    for (const int n : numbers_) {
      if (n != numbers_.front()) return -1;
    }
    return numbers_.front();
  }

 private:
  std::vector<int> numbers_;
  int& alive_;
};

class HandoverTest : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<const Thing> thing(int number) {
    return std::make_unique<const Thing>(number, alive_);
  }

  int alive_ = 0;
};

TEST_F(HandoverTest, FirstObjectStaysUntilAnotherIsOffered) {
  {
    Handover<const Thing> handover(thing(1));
    EXPECT_EQ(handover.current().number(), 1);
    EXPECT_EQ(handover.pick_up().number(), 1);
    EXPECT_EQ(handover.pick_up().number(), 1);
    handover.collect();
    EXPECT_EQ(handover.pick_up().number(), 1);
    EXPECT_EQ(alive_, 1);
  }
  EXPECT_EQ(alive_, 0);
}

TEST_F(HandoverTest, AnOfferIsSeenAtThePickUpNotBefore) {
  Handover<const Thing> handover(thing(1));
  handover.offer(thing(2));
  EXPECT_EQ(handover.current().number(), 1);
  EXPECT_EQ(handover.pick_up().number(), 2);
  EXPECT_EQ(handover.current().number(), 2);
}

TEST_F(HandoverTest, ALaterOfferReplacesOneThatWasNotPickedUp) {
  Handover<const Thing> handover(thing(1));
  EXPECT_EQ(handover.offer(thing(2)), nullptr);
  EXPECT_EQ(handover.offer(thing(3))->number(), 2) << "given back to who offered it";
  EXPECT_EQ(alive_, 2) << "the one between is gone at once";
  EXPECT_EQ(handover.pick_up().number(), 3);
  EXPECT_EQ(handover.pick_up().number(), 3);
}

TEST_F(HandoverTest, TheReaderFreesNothing) {
  Handover<const Thing> handover(thing(1));
  handover.offer(thing(2));
  static_cast<void>(handover.pick_up());
  EXPECT_EQ(alive_, 2) << "the old one waits to be collected";
  EXPECT_FALSE(handover.waiting());
  handover.collect();
  EXPECT_EQ(alive_, 1);
  handover.collect();
  EXPECT_EQ(alive_, 1);
  EXPECT_EQ(handover.current().number(), 2);
}

TEST_F(HandoverTest, AnOfferLeavesTheOldOneToBeCollected) {
  Handover<const Thing> handover(thing(0));
  for (int i = 1; i <= 100; ++i) {
    handover.offer(thing(i));
    EXPECT_EQ(handover.pick_up().number(), i);
    handover.offer(thing(-i));
    EXPECT_EQ(handover.pick_up().number(), i) << "it waits until there is a place for this one";
    EXPECT_EQ(handover.collect()->number(), i == 1 ? 0 : 1 - i);
    EXPECT_EQ(handover.pick_up().number(), -i);
    EXPECT_EQ(handover.collect()->number(), i);
    EXPECT_EQ(alive_, 1);
  }
}

TEST_F(HandoverTest, NothingLeaksInWhateverStateItEnds) {
  for (int state = 0; state < 8; ++state) {
    {
      Handover<const Thing> handover(thing(0));
      if ((state & 1) != 0) {
        handover.offer(thing(1));
        static_cast<void>(handover.pick_up());
      }
      if ((state & 2) != 0) handover.offer(thing(2));
      if ((state & 4) != 0) handover.collect();
    }
    EXPECT_EQ(alive_, 0) << "state " << state;
  }
}

// The reader reads the object it has while the reactor offers and frees others: the sanitizers see
// any object freed too early, the numbers any that comes out of order.
TEST_F(HandoverTest, TwoThreads) {
  constexpr int kOffers = 20'000;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(300);
  int out_of_order = 0;
  int last = 0;
  {
    Handover<const Thing> handover(thing(0));
    std::atomic<bool> done{false};
    std::jthread reader([&] {
      while (last < kOffers && std::chrono::steady_clock::now() < deadline) {
        const int number = handover.pick_up().number();
        out_of_order += number < last;
        last = number;
      }
      done = true;
    });
    for (int i = 1; i <= kOffers; ++i) {
      handover.offer(thing(i));
      if (i % 64 == 0) std::this_thread::yield();
    }
    // The last offer is not picked up before the object before it is collected.
    while (!done) {
      handover.collect();
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(last, kOffers);
  EXPECT_EQ(out_of_order, 0);
  EXPECT_EQ(alive_, 0);
}

}  // namespace
}  // namespace tcpeek::engine
