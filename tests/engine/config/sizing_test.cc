// How many readers, how large rings and table: chosen, wished, and refused.
#include "engine/config/sizing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "flowtable/table.h"

namespace tcpeek::engine {
namespace {

using Cpus = std::vector<unsigned>;

Cpus cpus(unsigned count) {
  Cpus cpus(count);
  std::iota(cpus.begin(), cpus.end(), 0U);
  return cpus;
}

constexpr std::uint64_t kMib = std::uint64_t{1} << 20;
constexpr std::uint64_t kGib = std::uint64_t{1} << 30;

SizingWish wish() {
  return {};
}

Sizing choose(const SizingWish& w, const Cpus& allowed, MachineMemory memory = {}) {
  return choose_sizing(w, allowed, memory);
}

MachineMemory machine(std::uint64_t bytes) {
  return {.total = bytes, .available = bytes};
}

std::uint64_t rings_mib(const Sizing& sizing, std::size_t interfaces) {
  return sizing.cpus.size() * interfaces * sizing.ring_mib;
}

std::uint64_t table_bytes(const Sizing& sizing) {
  return sizing.cpus.size() * flowtable::AttemptTable::memory_for(sizing.sessions_per_reader);
}

std::string refusal(const SizingWish& w, const Cpus& allowed, const MachineMemory& memory) {
  try {
    check_memory(choose(w, allowed, memory), w, memory);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(SizingTest, OneReaderForEachCpu) {
  const Sizing one = choose(wish(), cpus(1));
  EXPECT_EQ(one.cpus, Cpus({0}));
  EXPECT_EQ(one.ring_mib, 32U);
  EXPECT_EQ(one.sessions_per_reader, 1'000'000U);

  const Sizing two = choose(wish(), cpus(2));
  EXPECT_EQ(two.cpus, Cpus({0, 1}));
  EXPECT_EQ(two.ring_mib, 16U);
  EXPECT_EQ(two.sessions_per_reader, 500'000U);
}

TEST(SizingTest, NotMoreThanHelp) {
  const Sizing sizing = choose(wish(), cpus(64));
  EXPECT_EQ(sizing.cpus, cpus(8));
  EXPECT_EQ(sizing.ring_mib, 4U);
  EXPECT_EQ(sizing.sessions_per_reader, 125'000U);
}

TEST(SizingTest, OnlyAllowedCpus) {
  const Cpus allowed{3, 7, 12};
  EXPECT_EQ(choose(wish(), allowed).cpus, allowed);
}

TEST(SizingTest, RingsShare32MiB) {
  const std::vector<std::pair<unsigned, unsigned>> expected{
      {1, 32}, {2, 16}, {3, 8}, {4, 8}, {5, 6}, {8, 4}, {9, 3}, {64, 1}, {128, 1}, {256, 1}};
  for (const auto& [threads, mib] : expected) {
    SizingWish w = wish();
    w.threads = threads;
    EXPECT_EQ(choose(w, cpus(4)).ring_mib, mib) << threads;
  }
}

TEST(SizingTest, InterfacesShareThemToo) {
  struct Case {
    unsigned cpus;
    std::size_t interfaces;
    std::size_t readers;
    unsigned ring_mib;
  };
  for (const Case& c : {Case{8, 1, 8, 4}, Case{8, 2, 8, 2}, Case{8, 3, 8, 1}, Case{8, 16, 8, 1},
                        Case{2, 16, 2, 1}, Case{1, 16, 1, 2}, Case{8, 17, 7, 1}, Case{8, 64, 2, 1},
                        Case{1, 64, 1, 1}, Case{2, 2, 2, 8}}) {
    SizingWish w = wish();
    w.interfaces = c.interfaces;
    const Sizing sizing = choose(w, cpus(c.cpus));
    EXPECT_EQ(sizing.cpus.size(), c.readers) << c.cpus << " CPUs, " << c.interfaces;
    EXPECT_EQ(sizing.ring_mib, c.ring_mib) << c.cpus << " CPUs, " << c.interfaces;
  }
}

TEST(SizingTest, RingsTogetherNeverExceed128MiBUnlessAskedFor) {
  for (unsigned n = 1; n <= 64; ++n) {
    for (std::size_t interfaces = 1; interfaces <= 64; ++interfaces) {
      SizingWish w = wish();
      w.interfaces = interfaces;
      const Sizing sizing = choose(w, cpus(n));
      EXPECT_GE(sizing.ring_mib, 1U);
      EXPECT_LE(rings_mib(sizing, interfaces), 128U) << n << " CPUs, " << interfaces;
      EXPECT_GE(rings_mib(sizing, interfaces), 16U);
      EXPECT_LE(rings_mib(sizing, interfaces), sizing.ring_mib > 1 ? 32U : 128U);
    }
  }
}

TEST(SizingTest, ReadersThatAreAskedForKeepAMiBEach) {
  SizingWish w = wish();
  w.interfaces = 64;
  w.threads = 8;
  EXPECT_EQ(choose(w, cpus(2)).cpus.size(), 8U);
  EXPECT_EQ(choose(w, cpus(2)).ring_mib, 1U);
  w.threads.reset();
  w.cpus = cpus(8);
  EXPECT_EQ(choose(w, cpus(2)).cpus.size(), 8U);
}

TEST(SizingTest, DefaultsTakeATwentiethAtMost) {
  for (std::uint64_t total = 192 * kMib; total <= 64 * kGib; total += total / 3) {
    for (const unsigned n : {1U, 2U, 8U}) {
      for (const std::size_t interfaces : {std::size_t{0}, std::size_t{1}, std::size_t{4}}) {
        SizingWish w = wish();
        w.interfaces = interfaces;
        const Sizing sizing = choose(w, cpus(n), machine(total));
        EXPECT_LE(rings_mib(sizing, interfaces) * kMib + table_bytes(sizing), total / 20)
            << total / kMib << " MiB, " << n << " CPUs, " << interfaces << " interfaces";
        EXPECT_EQ(refusal(w, cpus(n), machine(total)), "accepted");
      }
    }
  }
}

TEST(SizingTest, ASmallHostHasSmallerDefaults) {
  const Sizing one_gib = choose(wish(), cpus(2), machine(kGib));
  EXPECT_EQ(one_gib.cpus.size(), 2U);
  EXPECT_EQ(one_gib.ring_mib, 12U);
  EXPECT_NEAR(static_cast<double>(one_gib.sessions_per_reader), 152'000, 2'000);
  const Sizing large = choose(wish(), cpus(2), machine(8 * kGib));
  EXPECT_EQ(large.ring_mib, 16U);
  EXPECT_EQ(large.sessions_per_reader, 500'000U);
}

TEST(SizingTest, AHostWithLittleLeftHasSmallerDefaults) {
  const Sizing sizing = choose(wish(), cpus(2), {.total = 64 * kGib, .available = 100 * kMib});
  EXPECT_LE(rings_mib(sizing, 1) * kMib + table_bytes(sizing), 50 * kMib);
}

TEST(SizingTest, AWishIsNotChangedByMemory) {
  SizingWish w = wish();
  w.ring_mib = 500;
  w.max_sessions = 10'000'000;
  const Sizing sizing = choose(w, cpus(2), machine(256 * kMib));
  EXPECT_EQ(sizing.ring_mib, 500U);
  EXPECT_EQ(sizing.sessions_per_reader, 5'000'000U);
}

TEST(SizingTest, WhatDoesNotFitIsRefusedWithBothFigures) {
  const MachineMemory memory = machine(25067 * kMib);
  SizingWish w = wish();
  w.ring_mib = 4095;
  EXPECT_EQ(
      refusal(w, cpus(8), memory),
      "not enough memory: -B 4095 with 8 readers on 1 interface needs 32760 MiB, 23500 MiB are "
      "available, a sixteenth left to others; try a smaller -B or fewer --threads");
  w.threads = 1;
  EXPECT_EQ(refusal(w, cpus(8), memory), "accepted");
  w.interfaces = 7;
  EXPECT_EQ(
      refusal(w, cpus(8), memory),
      "not enough memory: -B 4095 with 1 reader on 7 interfaces needs 28665 MiB, 23500 MiB are "
      "available, a sixteenth left to others; try a smaller -B or fewer --threads");
  w.ring_mib.reset();
  w.max_sessions = 100'000'000;
  EXPECT_EQ(
      refusal(w, cpus(8), {.total = kGib, .available = 512 * kMib, .grouped = true}),
      "not enough memory: --max-sessions 100000000 needs 9066 MiB, 480 MiB are available "
      "within the control group's limit, a sixteenth left to others; try fewer --max-sessions");
  w.interfaces = 1;
  w.ring_mib = 4000;
  w.max_sessions = 10'000'000;
  EXPECT_EQ(
      refusal(w, cpus(8), machine(4800 * kMib)),
      "not enough memory: -B 4000 with 1 reader on 1 interface and --max-sessions 10000000 need "
      "4907 MiB, 4500 MiB are available, a sixteenth left to others; try a smaller -B, fewer "
      "--threads or fewer "
      "--max-sessions");
}

TEST(SizingTest, DefaultsThatCannotShrinkAreRefusedAsWell) {
  SizingWish w = wish();
  w.interfaces = 64;
  EXPECT_THAT(refusal(w, cpus(2), machine(32 * kMib)),
              testing::HasSubstr("-B 1 (the default) with 1 reader on 64 interfaces needs 64 MiB"));
}

TEST(SizingTest, CapturingFilesTakesNoRings) {
  SizingWish w = wish();
  w.interfaces = 0;
  w.threads = 4;
  w.ring_mib.reset();
  const Sizing sizing = choose(w, cpus(2), machine(2 * kGib));
  EXPECT_EQ(sizing.sessions_per_reader, 250'000U) << "the whole share is the table's";
  EXPECT_EQ(rings_mib(sizing, 0), 0U);
}

TEST(SizingTest, ATableIsNeverTiny) {
  EXPECT_EQ(choose(wish(), cpus(1), machine(16 * kMib)).sessions_per_reader, 4096U);
}

TEST(CheckCpusTest, NamesThoseThatThereAreNot) {
  const auto refused = [](const Cpus& wished, const Cpus& usable) -> std::string {
    try {
      check_cpus(wished, usable);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused({0, 1}, {0, 1}), "accepted");
  EXPECT_EQ(refused({99}, {0, 1}), "--cpus: this process may not use CPU 99, only 0-1");
  EXPECT_EQ(refused({0, 4, 5, 6, 9}, {0, 2, 3, 7}),
            "--cpus: this process may not use CPU 4-6, 9, only 0, 2-3, 7");
}

TEST(SizingTest, AWishForARingIsGranted) {
  for (const unsigned mib : {1U, 2U, 4095U}) {
    SizingWish w = wish();
    w.ring_mib = mib;
    EXPECT_EQ(choose(w, cpus(2)).ring_mib, mib);
  }
}

TEST(SizingTest, MoreReadersThanCpusTakeTurns) {
  SizingWish w = wish();
  w.threads = 5;
  EXPECT_EQ(choose(w, Cpus({2, 3})).cpus, Cpus({2, 3, 2, 3, 2}));
}

TEST(SizingTest, FewerReadersThanCpusTakeTheFirst) {
  SizingWish w = wish();
  w.threads = 2;
  EXPECT_EQ(choose(w, cpus(64)).cpus, Cpus({0, 1}));
}

TEST(SizingTest, WishedCpusAreTaken) {
  SizingWish w = wish();
  w.cpus = {5, 6, 9};
  EXPECT_EQ(choose(w, cpus(2)).cpus, Cpus({5, 6, 9}));
  w.threads = 1;
  EXPECT_EQ(choose(w, cpus(2)).cpus, Cpus({5}));
  w.threads = 4;
  EXPECT_EQ(choose(w, cpus(2)).cpus, Cpus({5, 6, 9, 5}));
  w.threads.reset();
  w.cpus = cpus(20);
  EXPECT_EQ(choose(w, cpus(2)).cpus, cpus(20)) << "who names them wants them";
}

TEST(SizingTest, SessionsAreNeverFewerThanAsked) {
  for (const std::uint64_t sessions : {1ULL, 2ULL, 3ULL, 1'000'001ULL, 10'000'000ULL}) {
    for (const unsigned threads : {1U, 2U, 3U, 7U, 64U}) {
      SizingWish w = wish();
      w.max_sessions = sessions;
      w.threads = threads;
      const std::uint64_t each = choose(w, cpus(2)).sessions_per_reader;
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

// Pinned to one CPU, as by taskset(1), it may still be pinned to others.
TEST(UsableCpusTest, AreThoseThatExistWhateverThisThreadIsPinnedTo) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  const Cpus usable = usable_cpus();
  const Cpus all = allowed_cpus();
  EXPECT_TRUE(std::includes(usable.begin(), usable.end(), all.begin(), all.end()));

  cpu_set_t last;
  CPU_ZERO(&last);
  CPU_SET(all.back(), &last);
  ASSERT_EQ(::sched_setaffinity(0, sizeof last, &last), 0);
  EXPECT_EQ(usable_cpus(), usable);
  EXPECT_EQ(allowed_cpus(), Cpus({all.back()})) << "and it is still pinned there";
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace tcpeek::engine
