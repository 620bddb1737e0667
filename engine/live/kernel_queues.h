// What the kernel knows of accept queues: the listening sockets, and the counters that say why it dropped
// SYNs and completing ACKs (/proc/self/net/netstat).
//
// Both descriptors are opened at the start, before privileges are dropped and system calls filtered, and
// belong to the network namespace of that moment. What cannot be opened or read is not known: that is no
// reason to refuse to start.
//
// Thread contract: one thread. Nothing here waits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ring/descriptor.h"
#include "ring/listeners.h"

namespace tcpeek::engine {

// Since boot, of the network namespace.
struct ListenCounters {
  std::uint64_t overflows = 0;        // ListenOverflows: the accept queue was full
  std::uint64_t drops = 0;            // ListenDrops: for that or any other reason
  std::uint64_t syn_queue_drops = 0;  // TCPReqQFullDrop: the SYN queue was full
};

// Of the text of /proc/net/netstat; none without ListenOverflows.
[[nodiscard]] std::optional<ListenCounters> parse_listen_counters(std::string_view text);

struct KernelQueues {
  std::optional<ListenCounters> counters;
  bool listeners_known = false;
  std::vector<ring::Listener> listeners;
};

class KernelQueueReader {
 public:
  KernelQueueReader();

  void read(KernelQueues& queues);

 private:
  [[nodiscard]] std::optional<ListenCounters> read_counters();

  ring::Descriptor netstat_;
  std::optional<ring::ListenerDump> dump_;
  std::string text_;
};

}  // namespace tcpeek::engine
