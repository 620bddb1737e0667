// How many readers, on which CPUs, with how large rings, where the user did not say. Pure.
//
// One reader keeps up with some five million handshake packets a second; more than eight only cost
// memory. The rings together get 128 MiB, each between 16 and 64: at 64 MiB a reader may be held up
// for a quarter of a second in a SYN flood at line rate before the kernel drops.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tcpeek::engine {

struct Sizing {
  std::vector<unsigned> cpus;  // one for each reader
  unsigned ring_mib = 0;       // for each reader and interface
  std::uint64_t sessions_per_reader = 0;
};

struct SizingWish {
  std::optional<unsigned> threads;
  std::vector<unsigned> cpus;
  std::optional<unsigned> ring_mib;
  std::uint64_t max_sessions = 1;
};

// `allowed` are the CPUs that the process may use; never empty.
[[nodiscard]] Sizing choose_sizing(const SizingWish& wish, std::span<const unsigned> allowed);

[[nodiscard]] std::vector<unsigned> allowed_cpus();

}  // namespace tcpeek::engine
