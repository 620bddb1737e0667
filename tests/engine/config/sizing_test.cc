// How many readers, how large: what is chosen and what is wished.
#include "engine/config/sizing.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace tcpeek::engine {
namespace {

using Cpus = std::vector<unsigned>;

Cpus cpus(unsigned count) {
  Cpus cpus(count);
  std::iota(cpus.begin(), cpus.end(), 0U);
  return cpus;
}

SizingWish wish(std::uint64_t max_sessions = 1'000'000) {
  SizingWish w;
  w.max_sessions = max_sessions;
  return w;
}

TEST(SizingTest, OneReaderForEachCpu) {
  const Sizing one = choose_sizing(wish(), cpus(1));
  EXPECT_EQ(one.cpus, Cpus({0}));
  EXPECT_EQ(one.ring_mib, 64U);
  EXPECT_EQ(one.sessions_per_reader, 1'000'000U);

  const Sizing two = choose_sizing(wish(), cpus(2));
  EXPECT_EQ(two.cpus, Cpus({0, 1}));
  EXPECT_EQ(two.ring_mib, 64U);
  EXPECT_EQ(two.sessions_per_reader, 500'000U);
}

TEST(SizingTest, NotMoreThanHelp) {
  const Sizing sizing = choose_sizing(wish(), cpus(64));
  EXPECT_EQ(sizing.cpus, cpus(8));
  EXPECT_EQ(sizing.ring_mib, 16U);
  EXPECT_EQ(sizing.sessions_per_reader, 125'000U);
}

TEST(SizingTest, OnlyAllowedCpus) {
  const Cpus allowed{3, 7, 12};
  EXPECT_EQ(choose_sizing(wish(), allowed).cpus, allowed);
}

TEST(SizingTest, RingsAreBetween16And64MiB) {
  const std::vector<std::pair<unsigned, unsigned>> expected{
      {1, 64}, {2, 64}, {3, 42}, {4, 32}, {8, 16}, {9, 16}, {64, 16}, {128, 16}, {1000, 16}};
  for (const auto& [threads, mib] : expected) {
    SizingWish w = wish();
    w.threads = threads;
    EXPECT_EQ(choose_sizing(w, cpus(4)).ring_mib, mib) << threads;
  }
}

TEST(SizingTest, AWishForARingIsGranted) {
  for (const unsigned mib : {1U, 2U, 4095U}) {
    SizingWish w = wish();
    w.ring_mib = mib;
    EXPECT_EQ(choose_sizing(w, cpus(2)).ring_mib, mib);
  }
}

TEST(SizingTest, MoreReadersThanCpusTakeTurns) {
  SizingWish w = wish();
  w.threads = 5;
  EXPECT_EQ(choose_sizing(w, Cpus({2, 3})).cpus, Cpus({2, 3, 2, 3, 2}));
}

TEST(SizingTest, FewerReadersThanCpusTakeTheFirst) {
  SizingWish w = wish();
  w.threads = 2;
  EXPECT_EQ(choose_sizing(w, cpus(64)).cpus, Cpus({0, 1}));
}

TEST(SizingTest, WishedCpusAreTaken) {
  SizingWish w = wish();
  w.cpus = {5, 6, 9};
  EXPECT_EQ(choose_sizing(w, cpus(2)).cpus, Cpus({5, 6, 9}));
  w.threads = 1;
  EXPECT_EQ(choose_sizing(w, cpus(2)).cpus, Cpus({5}));
  w.threads = 4;
  EXPECT_EQ(choose_sizing(w, cpus(2)).cpus, Cpus({5, 6, 9, 5}));
  w.threads.reset();
  w.cpus = cpus(20);
  EXPECT_EQ(choose_sizing(w, cpus(2)).cpus, cpus(20)) << "who names them wants them";
}

TEST(SizingTest, SessionsAreNeverFewerThanAsked) {
  for (const std::uint64_t sessions : {1ULL, 2ULL, 3ULL, 1'000'001ULL, 10'000'000ULL}) {
    for (const unsigned threads : {1U, 2U, 3U, 7U, 64U}) {
      SizingWish w = wish(sessions);
      w.threads = threads;
      const std::uint64_t each = choose_sizing(w, cpus(2)).sessions_per_reader;
      EXPECT_GE(each * threads, sessions);
      EXPECT_LT(each * threads, sessions + threads) << "rounded up once";
    }
  }
}

TEST(AllowedCpusTest, AreThoseOfThisThread) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  const Cpus all = allowed_cpus();
  ASSERT_FALSE(all.empty());
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(all.size(), static_cast<std::size_t>(CPU_COUNT(&before)));

  cpu_set_t last;
  CPU_ZERO(&last);
  CPU_SET(all.back(), &last);
  ASSERT_EQ(::sched_setaffinity(0, sizeof last, &last), 0);
  EXPECT_EQ(allowed_cpus(), Cpus({all.back()}));
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace tcpeek::engine
