// Who makes room: the one that loses nothing, else one of those who hold the most; never a client
// whose reply is being made, and never somebody who holds less than others.
#include "ipc/client_eviction.h"

#include <gtest/gtest.h>

#include <vector>

namespace tcpeek::ipc {
namespace {

using State = ClientSlot::State;
using std::chrono::seconds;

constexpr Peer kGreedy{.user = 0, .process = 100};
constexpr Peer kModest{.user = 0, .process = 200};
constexpr Peer kOther{.user = 0, .process = 300};

ClientSlot slot(const Peer& peer, State state, int since) {
  return {
      .peer = peer, .state = state, .since = std::chrono::steady_clock::time_point(seconds(since))};
}

TEST(ClientEvictionTest, OfOneProcessTheLongestInItsState) {
  const std::vector<ClientSlot> slots{slot(kGreedy, State::asking, 5),
                                      slot(kGreedy, State::receiving, 3),
                                      slot(kGreedy, State::asking, 4)};
  EXPECT_EQ(choose_client_to_evict(slots, kGreedy), 1U);
  EXPECT_EQ(choose_client_to_evict(slots, kModest), 1U);
}

TEST(ClientEvictionTest, WhoHasItsReplyGoesFirst) {
  const std::vector<ClientSlot> slots{
      slot(kGreedy, State::asking, 1), slot(kGreedy, State::asking, 1),
      slot(kModest, State::answered, 9), slot(kOther, State::answered, 8)};
  EXPECT_EQ(choose_client_to_evict(slots, kGreedy), 3U);
}

TEST(ClientEvictionTest, WhoHoldsTheMostGivesOneUp) {
  const std::vector<ClientSlot> slots{
      slot(kModest, State::asking, 1), slot(kGreedy, State::asking, 3),
      slot(kGreedy, State::asking, 2), slot(kGreedy, State::asking, 4),
      slot(kOther, State::receiving, 1)};
  EXPECT_EQ(choose_client_to_evict(slots, kModest), 2U);
  EXPECT_EQ(choose_client_to_evict(slots, kOther), 2U);
}

TEST(ClientEvictionTest, TheNewcomerCountsWithItsOwn) {
  const std::vector<ClientSlot> slots{
      slot(kModest, State::asking, 1), slot(kModest, State::asking, 2),
      slot(kGreedy, State::asking, 3), slot(kGreedy, State::asking, 4)};
  EXPECT_EQ(choose_client_to_evict(slots, kGreedy), 2U);
  EXPECT_EQ(choose_client_to_evict(slots, kModest), 0U);
}

// Many processes of one user do not crowd out another user.
TEST(ClientEvictionTest, UsersComeBeforeProcesses) {
  std::vector<ClientSlot> slots{slot({.user = 0, .process = 1}, State::asking, 0),
                                slot({.user = 0, .process = 1}, State::asking, 0)};
  for (pid_t process = 10; process < 20; ++process) {
    slots.push_back(slot({.user = 1000, .process = process}, State::asking, process));
  }
  EXPECT_EQ(choose_client_to_evict(slots, {.user = 0, .process = 1}), 2U);
  EXPECT_EQ(choose_client_to_evict(slots, {.user = 1000, .process = 12}), 4U);
}

TEST(ClientEvictionTest, RepliesBeingMadeAreFinishedWherePossible) {
  std::vector<ClientSlot> slots{
      slot(kGreedy, State::being_answered, 1), slot(kGreedy, State::being_answered, 3),
      slot(kGreedy, State::being_answered, 2), slot(kModest, State::asking, 0)};
  EXPECT_EQ(choose_client_to_evict(slots, kModest), 1U) << "who asked last";
  EXPECT_EQ(choose_client_to_evict(slots, kGreedy), 1U);
  slots[0].state = State::receiving;
  EXPECT_EQ(choose_client_to_evict(slots, kModest), 0U);
  slots[2].state = State::asking;
  EXPECT_EQ(choose_client_to_evict(slots, kModest), 0U);
}

TEST(ClientEvictionTest, OfThoseWhoAskedAtOnceTheLastOneInTheList) {
  const std::vector<ClientSlot> slots(3, slot(kGreedy, State::being_answered, 1));
  EXPECT_EQ(choose_client_to_evict(slots, kModest), 2U);
}

}  // namespace
}  // namespace tcpeek::ipc
