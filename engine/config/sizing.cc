#include "engine/config/sizing.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <stdexcept>
#include <string>

#include "flowtable/table.h"

namespace tcpeek::engine {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20;
constexpr unsigned kMostReaders = 8;
constexpr std::uint64_t kRingsMib = 32;  // together, where each gets a megabyte of that or more
constexpr std::uint64_t kMostRingsMib = 128;  // together, where they are so many
constexpr std::uint64_t kDefaultSessions = 1'000'000;
constexpr std::uint64_t kFewestSessions = 4096;
// One part of so many: a process that takes the last page is killed by the kernel, without a message.
constexpr std::uint64_t kLeftToOthers = 16;

// Memory that may be taken without being asked for, in bytes.
std::uint64_t budget_of(const MachineMemory& memory) {
  return std::min(memory.total / 20, memory.available / 2);
}

// Shared as 128 MiB of rings and the 89 MiB of a million attempts.
std::uint64_t share_of_rings(std::uint64_t budget) {
  return std::min(budget / 5 * 3, kMostRingsMib * kMib);
}

// Sizes people would choose: 1, 2, 3, 4, 6, 8, 12, 16, 24, ...
std::uint64_t rounded_down(std::uint64_t mib) {
  const std::uint64_t power = std::bit_floor(mib);
  const std::uint64_t between = power + power / 2;
  return power > 1 && mib >= between ? between : power;
}

unsigned choose_readers(const SizingWish& wish, std::size_t cpus, std::uint64_t rings_mib) {
  if (wish.threads) return *wish.threads;
  if (!wish.cpus.empty()) return static_cast<unsigned>(cpus);
  const auto most = std::min<std::uint64_t>(cpus, kMostReaders);
  if (wish.ring_mib || wish.interfaces == 0) return static_cast<unsigned>(most);
  return static_cast<unsigned>(std::clamp<std::uint64_t>(rings_mib / wish.interfaces, 1, most));
}

std::uint64_t sessions_each(std::uint64_t sessions, std::size_t readers) {
  return (sessions + readers - 1) / readers;
}

std::uint64_t table_bytes(std::uint64_t sessions_per_reader, std::size_t readers) {
  return flowtable::AttemptTable::memory_for(sessions_per_reader) * readers;
}

std::uint64_t choose_sessions(std::size_t readers, std::uint64_t budget) {
  const auto fits = [&](std::uint64_t sessions) {
    return table_bytes(sessions_each(sessions, readers), readers) <= budget;
  };
  if (fits(kDefaultSessions)) return kDefaultSessions;
  constexpr std::uint64_t kStep = 1000;
  const std::uint64_t full = table_bytes(sessions_each(kDefaultSessions, readers), readers);
  std::uint64_t sessions = kDefaultSessions * budget / full / kStep * kStep;
  // Each reader's table is rounded up.
  while (sessions > kFewestSessions && !fits(sessions)) sessions -= kStep;
  return std::max(sessions, kFewestSessions);
}

std::string counted(std::uint64_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string rings_in_words(const Sizing& sizing, const SizingWish& wish) {
  const std::string readers = counted(sizing.cpus.size(), "reader");
  const std::string interfaces = counted(wish.interfaces, "interface");
  return fmt::format("-B {}{} with {} on {}", sizing.ring_mib,
                     wish.ring_mib ? "" : " (the default)", readers, interfaces);
}

std::string table_in_words(const Sizing& sizing, const SizingWish& wish) {
  const std::uint64_t sessions = sizing.sessions_per_reader * sizing.cpus.size();
  return fmt::format("--max-sessions {}{}", wish.max_sessions.value_or(sessions),
                     wish.max_sessions ? "" : " (the default)");
}

// "0-3, 8"
std::string in_words(std::span<const unsigned> cpus) {
  std::string words;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t end = i + 1;
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    words += fmt::format("{}{}", words.empty() ? "" : ", ", cpus[i]);
    if (end - i > 1) words += fmt::format("-{}", cpus[end - 1]);
    i = end;
  }
  return words;
}

}  // namespace

Sizing choose_sizing(const SizingWish& wish, std::span<const unsigned> allowed,
                     const MachineMemory& memory) {
  const std::vector<unsigned> cpus =
      wish.cpus.empty() ? std::vector<unsigned>(allowed.begin(), allowed.end()) : wish.cpus;
  const std::uint64_t budget = budget_of(memory);
  const std::uint64_t rings_mib = share_of_rings(budget) / kMib;
  const unsigned readers = choose_readers(wish, cpus.size(), rings_mib);
  assert(readers > 0 && !cpus.empty());  // --threads refuses 0, allowed_cpus() finds one

  Sizing sizing;
  for (unsigned i = 0; i < readers; ++i) sizing.cpus.push_back(cpus[i % cpus.size()]);
  const std::uint64_t rings = readers * wish.interfaces;
  const std::uint64_t share = std::min(rings_mib, kRingsMib) / std::max<std::uint64_t>(rings, 1);
  sizing.ring_mib = wish.ring_mib.value_or(
      static_cast<unsigned>(rounded_down(std::max<std::uint64_t>(share, 1))));
  // Rings that were asked for are not held against the table.
  const std::uint64_t taken =
      wish.ring_mib ? share_of_rings(budget) : rings * sizing.ring_mib * kMib;
  sizing.sessions_per_reader = sessions_each(
      wish.max_sessions.value_or(choose_sessions(readers, budget - std::min(budget, taken))),
      readers);
  return sizing;
}

void check_memory(const Sizing& sizing, const SizingWish& wish, const MachineMemory& memory) {
  const std::uint64_t rings = sizing.ring_mib * kMib * sizing.cpus.size() * wish.interfaces;
  const std::uint64_t table = table_bytes(sizing.sessions_per_reader, sizing.cpus.size());
  const std::uint64_t available = memory.available - memory.available / kLeftToOthers;
  if (rings + table <= available) return;
  const auto refuse = [&](const std::string& what, std::uint64_t needed, const char* advice) {
    throw std::runtime_error(
        fmt::format("not enough memory: {} {} MiB, {} MiB are available{}, a sixteenth left to "
                    "others; try {}",
                    what, (needed + kMib - 1) / kMib, available / kMib,
                    memory.grouped ? " within the control group's limit" : "", advice));
  };
  const std::string rings_named = rings_in_words(sizing, wish);
  const std::string table_named = table_in_words(sizing, wish);
  if (rings > available) {
    refuse(rings_named + " needs", rings, "a smaller -B or fewer --threads");
  }
  if (table > available) refuse(table_named + " needs", table, "fewer --max-sessions");
  refuse(rings_named + " and " + table_named + " need", rings + table,
         "a smaller -B, fewer --threads or fewer --max-sessions");
}

void check_cpus(std::span<const unsigned> wished, std::span<const unsigned> usable) {
  std::vector<unsigned> missing;
  for (const unsigned cpu : wished) {
    if (std::find(usable.begin(), usable.end(), cpu) == usable.end()) missing.push_back(cpu);
  }
  if (missing.empty()) return;
  throw UsageError(fmt::format("--cpus: this process may not use CPU {}, only {}",
                               in_words(missing), in_words(usable)));
}

std::vector<unsigned> allowed_cpus() {
  cpu_set_t set;
  std::vector<unsigned> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  return cpus.empty() ? std::vector<unsigned>{0} : cpus;
}

// Asked for all CPUs, the kernel reduces the set to those that exist and that the cpuset contains.
std::vector<unsigned> usable_cpus() {
  cpu_set_t before;
  cpu_set_t all;
  CPU_ZERO(&all);
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &all);
  const bool widened = ::sched_getaffinity(0, sizeof before, &before) == 0 &&
                       ::sched_setaffinity(0, sizeof all, &all) == 0;
  std::vector<unsigned> cpus = allowed_cpus();
  if (widened) ::sched_setaffinity(0, sizeof before, &before);
  return cpus;
}

Sizing live_sizing(const Options& options, std::size_t interfaces) {
  if (!options.cpus.empty()) check_cpus(options.cpus, usable_cpus());
  const SizingWish wish{.threads = options.threads,
                        .cpus = options.cpus,
                        .ring_mib = options.ring_mib,
                        .max_sessions = options.max_sessions,
                        .interfaces = interfaces};
  const MachineMemory memory = read_machine_memory();
  Sizing sizing = choose_sizing(wish, allowed_cpus(), memory);
  check_memory(sizing, wish, memory);
  return sizing;
}

Sizing replay_sizing(const Options& options) {
  const SizingWish wish{.threads = options.threads.value_or(1),
                        .cpus = {},
                        .ring_mib = {},
                        .max_sessions = options.max_sessions,
                        .interfaces = 0};
  const MachineMemory memory = read_machine_memory();
  Sizing sizing = choose_sizing(wish, allowed_cpus(), memory);
  check_memory(sizing, wish, memory);
  return sizing;
}

}  // namespace tcpeek::engine
