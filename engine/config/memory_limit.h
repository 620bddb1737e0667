// How much memory the program may use: the machine's, or what its control groups leave of it.
//
// Read from /proc/meminfo and from cgroup v2 or v1 below /sys/fs/cgroup: our own group and all of its
// ancestors, since a group's limit includes its descendants. Page cache that a group has not used lately
// counts as available, as it does in MemAvailable. Where /proc/meminfo is hidden (ProcSubset=pid in a
// unit), sysinfo(2) knows the total, and all of it counts as available. What cannot be read sets no limit.
//
// Thread contract: any thread, before system calls are filtered.
// Units: bytes.
// Errors: none.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace tcpeek::engine {

struct MachineMemory {
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t total = kUnlimited;      // what is installed, or a control group's limit
  std::uint64_t available = kUnlimited;  // of that, what can be had now without swapping
  bool grouped = false;                  // `available` is what a control group leaves
};

// `root` is prepended to every path: "" for the machine itself.
[[nodiscard]] MachineMemory read_machine_memory(const std::string& root = {});

}  // namespace tcpeek::engine
