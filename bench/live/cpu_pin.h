// Pins the calling thread to one CPU, so that injector and reader never share a core.
#pragma once

#include <sched.h>

#include <string>

#include "bench/live/descriptor.h"

namespace tcpeek::bench {

// Throws std::system_error when the CPU does not exist or is not allowed.
inline void pin_to_cpu(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  checked(::sched_setaffinity(0, sizeof set, &set),
          "sched_setaffinity to CPU " + std::to_string(cpu));
}

}  // namespace tcpeek::bench
