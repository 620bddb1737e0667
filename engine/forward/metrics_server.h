// Metrics by HTTP, on a thread of its own: forwarding may wait for the broker, scrapers do not.
//
// Thread contract: made and destroyed by one thread; the counters outlive it.
// Errors: the constructor throws std::system_error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/forward/counters.h"

namespace tcpeek::forward {

class MetricsServer {
 public:
  MetricsServer(const std::string& address, std::uint16_t port, const Counters& counters);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // As the kernel has it: 127.0.0.1:9143.
  [[nodiscard]] const std::string& address() const noexcept { return address_; }

 private:
  struct Running;

  std::string address_;
  std::unique_ptr<Running> running_;
};

}  // namespace tcpeek::forward
