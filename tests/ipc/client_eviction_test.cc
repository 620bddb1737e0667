// Who makes room: the one that loses nothing, else one of those who hold the most; never a client
// whose reply is being made, and never somebody who holds less than others.
#include "ipc/client_eviction.h"

#include <gtest/gtest.h>

#include <vector>

namespace tcpeek::ipc {
namespace {

using State = Place::State;
using std::chrono::seconds;

constexpr Peer kGreedy{.user = 0, .process = 100};
constexpr Peer kModest{.user = 0, .process = 200};
constexpr Peer kOther{.user = 0, .process = 300};

Place place(const Peer& peer, State state, int since) {
  return {
      .peer = peer, .state = state, .since = std::chrono::steady_clock::time_point(seconds(since))};
}

TEST(ClientEvictionTest, OfOneProcessTheLongestInItsState) {
  const std::vector<Place> places{place(kGreedy, State::asking, 5),
                                  place(kGreedy, State::receiving, 3),
                                  place(kGreedy, State::asking, 4)};
  EXPECT_EQ(who_makes_room(places, kGreedy), 1U);
  EXPECT_EQ(who_makes_room(places, kModest), 1U);
}

TEST(ClientEvictionTest, WhoHasItsReplyGoesFirst) {
  const std::vector<Place> places{
      place(kGreedy, State::asking, 1), place(kGreedy, State::asking, 1),
      place(kModest, State::answered, 9), place(kOther, State::answered, 8)};
  EXPECT_EQ(who_makes_room(places, kGreedy), 3U);
}

TEST(ClientEvictionTest, WhoHoldsTheMostGivesOneUp) {
  const std::vector<Place> places{
      place(kModest, State::asking, 1), place(kGreedy, State::asking, 3),
      place(kGreedy, State::asking, 2), place(kGreedy, State::asking, 4),
      place(kOther, State::receiving, 1)};
  EXPECT_EQ(who_makes_room(places, kModest), 2U);
  EXPECT_EQ(who_makes_room(places, kOther), 2U);
}

TEST(ClientEvictionTest, TheNewcomerCountsWithItsOwn) {
  const std::vector<Place> places{
      place(kModest, State::asking, 1), place(kModest, State::asking, 2),
      place(kGreedy, State::asking, 3), place(kGreedy, State::asking, 4)};
  EXPECT_EQ(who_makes_room(places, kGreedy), 2U);
  EXPECT_EQ(who_makes_room(places, kModest), 0U);
}

// Many processes of one user do not crowd out another user.
TEST(ClientEvictionTest, UsersComeBeforeProcesses) {
  std::vector<Place> places{place({.user = 0, .process = 1}, State::asking, 0),
                            place({.user = 0, .process = 1}, State::asking, 0)};
  for (pid_t process = 10; process < 20; ++process) {
    places.push_back(place({.user = 1000, .process = process}, State::asking, process));
  }
  EXPECT_EQ(who_makes_room(places, {.user = 0, .process = 1}), 2U);
  EXPECT_EQ(who_makes_room(places, {.user = 1000, .process = 12}), 4U);
}

TEST(ClientEvictionTest, RepliesBeingMadeAreFinishedWherePossible) {
  std::vector<Place> places{
      place(kGreedy, State::being_answered, 1), place(kGreedy, State::being_answered, 3),
      place(kGreedy, State::being_answered, 2), place(kModest, State::asking, 0)};
  EXPECT_EQ(who_makes_room(places, kModest), 1U) << "who asked last";
  EXPECT_EQ(who_makes_room(places, kGreedy), 1U);
  places[0].state = State::receiving;
  EXPECT_EQ(who_makes_room(places, kModest), 0U);
  places[2].state = State::asking;
  EXPECT_EQ(who_makes_room(places, kModest), 0U);
}

TEST(ClientEvictionTest, OfThoseWhoAskedAtOnceTheLastOneInTheList) {
  const std::vector<Place> places(3, place(kGreedy, State::being_answered, 1));
  EXPECT_EQ(who_makes_room(places, kModest), 2U);
}

}  // namespace
}  // namespace tcpeek::ipc
