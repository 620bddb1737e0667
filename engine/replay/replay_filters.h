// --bpf for capture files: one filter for each link type.
//
// All are compiled while the program may still do as it likes: an expression may name hosts and
// services, which libpcap looks up in files and by the network, and a pcapng tells of another link type
// whenever it pleases.
//
// Thread contract: find() the main thread's; the filters themselves are immutable.
// Errors: UsageError for an expression that libpcap does not take for that link type.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "ring/offline_filter.h"

namespace tcpeek::engine {

class ReplayFilters {
 public:
  explicit ReplayFilters(std::string expression) : expression_(std::move(expression)) {}

  // Null: everything passes. Compiles it unless that was done.
  [[nodiscard]] const ring::OfflineFilter* find(std::uint16_t link_type);

  // Those of all link types that are read. Where one is refused, find() tells it.
  void compile_all();

 private:
  using Refusal = std::string;
  using Compiled = std::variant<ring::OfflineFilter, Refusal>;

  const Compiled& compiled(std::uint16_t link_type);

  const std::string expression_;  // empty: none
  std::map<std::uint16_t, Compiled> filters_;
};

}  // namespace tcpeek::engine
