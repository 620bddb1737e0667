// How many readers, on which CPUs, with how large rings and tables, where the command line does not say.
//
// Readers: one for each CPU, at most eight; one keeps up with some five million handshake packets a second.
//
// Rings: 32 MiB for all readers and interfaces together, which are 260,000 handshake packets: a quarter of a
// second of a million each second. The kernel takes a ring's memory at once, so that is what a quiet host pays, too.
// Where the share of a ring would be less than 1 MiB it gets 1 MiB all the same, and where that would be more
// than 128 MiB together there are fewer readers.
//
// Attempts: a million for all readers together.
//
// Rings and table together take no more than a twentieth of the machine's memory, or of the control
// group's limit, and no more than half of what is available; both shrink on a small host. Sizes given on
// the command line are never changed, but refused when there is not enough memory for them.
//
// Thread contract: choose_sizing() and the checks are pure; the others are called by the main thread before
// others are started and system calls are filtered.
// Units: MiB, attempts; bytes in MachineMemory.
// Errors: UsageError for CPUs that cannot be used; std::runtime_error for too little memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/config/memory_limit.h"
#include "engine/config/options.h"

namespace tcpeek::engine {

struct Sizing {
  std::vector<unsigned> cpus;  // one for each reader
  unsigned ring_mib = 0;       // of each reader and interface
  std::uint64_t sessions_per_reader = 0;
};

struct SizingWish {
  std::optional<unsigned> threads;
  std::vector<unsigned> cpus;
  std::optional<unsigned> ring_mib;
  std::optional<std::uint64_t> max_sessions;
  std::size_t interfaces = 1;  // 0: there are no rings, as with capture files
};

// `allowed` are the CPUs that the process may use; never empty.
[[nodiscard]] Sizing choose_sizing(const SizingWish& wish, std::span<const unsigned> allowed,
                                   const MachineMemory& memory);

// Throws if `sizing` needs more memory than is available, naming both figures.
void check_memory(const Sizing& sizing, const SizingWish& wish, const MachineMemory& memory);

// Throws if --cpus names a CPU that is not among the usable ones.
void check_cpus(std::span<const unsigned> wished, std::span<const unsigned> usable);

// Those that this process runs on, as set by taskset(1) or a service manager.
[[nodiscard]] std::vector<unsigned> allowed_cpus();
// Those that it may be pinned to: all that exist and that its cpuset contains.
[[nodiscard]] std::vector<unsigned> usable_cpus();

// Chosen and checked, on this machine.
[[nodiscard]] Sizing live_sizing(const Options& options, std::size_t interfaces);
[[nodiscard]] Sizing replay_sizing(const Options& options);

}  // namespace tcpeek::engine
