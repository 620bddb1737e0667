// A team: each member runs each task once, and nobody begins the next before all have ended.

#include "engine/base/thread_team.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace tcpeek::engine {
namespace {

constexpr unsigned kSizes[] = {1, 2, 3, 8};

TEST(ThreadTeamTest, EachMemberRunsEachTaskOnce) {
  for (const unsigned members : kSizes) {
    ThreadTeam team(members);
    std::vector<int> runs(members);  // plain: run() orders what it hands over
    for (int round = 1; round <= 1000; ++round) {
      team.run([&](unsigned member) { ++runs.at(member); });
      ASSERT_EQ(runs, std::vector<int>(members, round));
    }
  }
}

TEST(ThreadTeamTest, TasksAreDoneInOrder) {
  for (const unsigned members : kSizes) {
    ThreadTeam team(members);
    std::vector<std::vector<int>> seen(members);
    for (int task = 0; task < 300; ++task) {
      team.run([&, task](unsigned member) { seen[member].push_back(task); });
    }
    for (const std::vector<int>& tasks : seen) {
      EXPECT_EQ(tasks.size(), 300U);
      EXPECT_TRUE(std::is_sorted(tasks.begin(), tasks.end()));
    }
  }
}

TEST(ThreadTeamTest, RunReturnsWhenTheSlowestHasEnded) {
  ThreadTeam team(4);
  for (unsigned slow = 0; slow < 4; ++slow) {
    std::atomic<int> ended{0};
    team.run([&](unsigned member) {
      if (member == slow) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ++ended;
    });
    EXPECT_EQ(ended, 4);
  }
}

TEST(ThreadTeamTest, MembersWorkAtTheSameTime) {
  ThreadTeam team(4);
  std::atomic<int> here{0};
  // Each waits for all others: one after the other would never end.
  team.run([&](unsigned) {
    ++here;
    while (here < 4) std::this_thread::yield();
  });
  EXPECT_EQ(here, 4);
}

TEST(ThreadTeamTest, TheOwnerIsTheFirstMember) {
  for (const unsigned members : kSizes) {
    ThreadTeam team(members);
    std::vector<std::thread::id> first(members), second(members);
    team.run([&](unsigned member) { first[member] = std::this_thread::get_id(); });
    team.run([&](unsigned member) { second[member] = std::this_thread::get_id(); });
    EXPECT_EQ(first[0], std::this_thread::get_id());
    EXPECT_EQ(first, second) << "a member is always the same thread";
    EXPECT_EQ(std::set<std::thread::id>(first.begin(), first.end()).size(), members);
  }
}

// What one round writes, the next may read on any member.
TEST(ThreadTeamTest, WhatATaskWroteTheNextOneReads) {
  constexpr unsigned kMembers = 8;
  ThreadTeam team(kMembers);
  std::vector<std::uint64_t> now(kMembers, 1), next(kMembers);
  for (int round = 0; round < 500; ++round) {
    team.run([&](unsigned member) { next[member] = now[(member + 1) % kMembers] + 1; });
    team.run([&](unsigned member) { now[member] = next[member]; });
  }
  EXPECT_EQ(now, std::vector<std::uint64_t>(kMembers, 501));
}

TEST(ThreadTeamTest, MayEndWithoutATask) {
  for (int round = 0; round < 50; ++round) {
    for (const unsigned members : kSizes) {
      const ThreadTeam team(members);
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
