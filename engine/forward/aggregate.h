// Outcomes counted by service until they are sent as one message for each service.
//
// Thread contract: of one thread.
// Bounds: is_full() at kMostServices; add() takes more all the same.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/forward/watch_line.h"
#include "ipc/histogram.h"

namespace tcpeek::forward {

struct ServiceCounts {
  std::uint64_t attempts = 0;  // that ended
  std::uint64_t success = 0;
  ipc::LatencyHistogram latency;  // of successes whose handshake was seen whole
};

class Aggregate {
 public:
  static constexpr std::size_t kMostServices = 1024;

  // A service seen from both sides is two: who adds aggregates up counts each attempt once.
  struct Service {
    std::string address;
    std::uint16_t port = 0;
    std::string_view direction;  // as in TOP: rx, tx, both, neither

    friend auto operator<=>(const Service&, const Service&) = default;
  };
  using Services = std::map<Service, ServiceCounts>;

  void add(const WatchLine& outcome);
  // All that was counted, and begins anew.
  [[nodiscard]] Services take() noexcept { return std::exchange(services_, {}); }

  [[nodiscard]] bool empty() const noexcept { return services_.empty(); }
  [[nodiscard]] bool is_full() const noexcept { return services_.size() >= kMostServices; }
  // The number of the first event counted. Precondition: !empty().
  [[nodiscard]] std::uint64_t from() const noexcept { return from_; }

 private:
  Services services_;
  std::uint64_t from_ = 0;
};

// What an aggregate says beside its counts.
struct AggregateHead {
  std::string_view host;
  std::string_view boot;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::chrono::system_clock::time_point time;
  std::chrono::seconds interval{0};
};

// rx.192.0.2.1:443, tx.[2001:db8::1]:443
[[nodiscard]] std::string to_text(const Aggregate::Service& service);

// One JSON object on one line, without the newline.
[[nodiscard]] std::string to_json_line(const AggregateHead& head, const Aggregate::Service& service,
                                       const ServiceCounts& counts);

}  // namespace tcpeek::forward
