#include "engine/config/sizing.h"

#include <sched.h>

#include <algorithm>
#include <cassert>

#include "engine/config/tracker_settings.h"

namespace tcpeek::engine {

Sizing choose_sizing(const SizingWish& wish, std::span<const unsigned> allowed) {
  constexpr unsigned kMostReaders = 8;
  constexpr unsigned kRingsMib = 128;
  const std::vector<unsigned> cpus =
      wish.cpus.empty() ? std::vector<unsigned>(allowed.begin(), allowed.end()) : wish.cpus;
  const auto unasked =
      wish.cpus.empty() ? std::min<std::size_t>(cpus.size(), kMostReaders) : cpus.size();
  const unsigned readers = wish.threads.value_or(static_cast<unsigned>(unasked));
  assert(readers > 0 && !cpus.empty());  // --threads refuses 0, allowed_cpus() finds one

  Sizing sizing;
  for (unsigned i = 0; i < readers; ++i) sizing.cpus.push_back(cpus[i % cpus.size()]);
  sizing.ring_mib = wish.ring_mib.value_or(std::clamp(kRingsMib / readers, 16U, 64U));
  sizing.sessions_per_reader = sessions_each(wish.max_sessions, readers);
  return sizing;
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

}  // namespace tcpeek::engine
